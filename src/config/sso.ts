import { choice, list, secret, text, url } from './kinds.ts'
import type { Option } from './schema.ts'

type Options = Readonly<Record<string, Option>>

/** The sign-in of people, in the browser and by `login`. */
export const sso = {
  'sso.issuer': { kind: url, reload: 'restart',
    text: 'OpenID provider with which people sign in, one of those whose tokens are accepted. Without it there is no sign-in.',
    wrong: 'A slash too many at its end: nobody can sign in.' },
  'sso.client_id': { kind: text(), reload: 'restart',
    text: 'This proxy, as the provider knows it.',
    wrong: 'Unknown there: the provider shows an error in place of its sign-in.' },
  'sso.client_secret': { kind: secret, reload: 'restart',
    text: 'Secret of that client; without it the client is a public one.',
    wrong: 'Of another client: every sign-in ends with an error.' },
  'sso.login_client_id': { kind: text(), reload: 'restart',
    text: 'Public client that `login` uses, allowed to send people to a loopback address and, for `--device`, the device flow; without it `sso.client_id`, unless that has a secret.',
    wrong: 'Unknown to the provider, or with a secret: nobody can log in on a terminal.' },
  'sso.scopes': { kind: list(text('scope', 'a scope', /^[\x21\x23-\x5b\x5d-\x7e]+$/)), default: 'openid,profile,email,offline_access', reload: 'restart',
    text: 'What is asked for. `offline_access` is for `login` alone, which keeps tokens fresh.',
    wrong: 'A scope that the provider does not know: it refuses, or leaves it out.' },
  'sso.redirect_url': { kind: url, reload: 'restart',
    text: 'Address of this proxy as browsers know it, with `/sign-in/callback` at its end, as it is registered with the provider. Without it there are no pages to sign in on.',
    wrong: 'Not registered with the provider: it shows an error in place of its sign-in.' },
  'sso.token': { kind: choice('id', 'access'), default: 'id', reload: 'restart',
    text: 'Which of the tokens of a sign-in clients use. It has to be one that is accepted: an ID token has the client as its audience, an access token what the provider is asked for.',
    wrong: '`access` with a provider whose access tokens are no JWTs: every sign-in is refused, and the log says so.' },
  'sso.resource': { kind: text('URI', 'a URI without a fragment', /^[a-z][a-z0-9+.-]*:[!-"$-~]+$/), reload: 'restart',
    text: 'Service that access tokens are asked for (RFC 8707).',
    wrong: 'Unknown to the provider: it refuses.' },
  'sso.audience': { kind: text(), reload: 'restart',
    text: 'The same by a parameter that some providers have in its place.',
    wrong: 'Unknown to the provider: it refuses, or gives access tokens for another service.' },
  'sso.groups_allowed': { kind: list(text()), reload: 'restart',
    text: 'Groups that may sign in on the pages; one is enough. Without it everybody may whose token is accepted. What a token may be used for is decided by `policy`.',
    wrong: 'A group that the tokens do not name: nobody can sign in.' },
  'sso.cookie_secret': { kind: secret, reload: 'restart',
    text: 'Seals the cookies of the pages, 32 bytes at least; the same for all proxies behind one name. Without it each process has its own.',
    wrong: 'Different ones behind one name: sign-ins end with an error, or soon.' },
} as const satisfies Options

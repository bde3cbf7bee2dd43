import { authority, choice, duration, list, path, pem, proxyUrl, secret, text, url } from './kinds.ts'
import { rows, section } from './rows.ts'
import type { Columns } from './rows.ts'
import type { Options } from './schema.ts'

const pointer = text('JSON pointer', 'a JSON pointer such as /sub', /^(\/([^~/\x00-\x1f\x7f]|~[01])+)+$/)
// RFC 7518 section 3.1 without "none", RFC 8037 and RFC 9864.
const algorithm = choice('HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512', 'EdDSA', 'Ed25519')

/** Whose tokens are accepted, and who a token says its bearer is. */
const issuer = {
  issuer: { kind: text(), reload: 'live',
    text: 'The one `iss` accepted, compared exactly; without it `iss` is not checked. Alone, without a key, it is asked for its keys (OpenID Connect Discovery).',
    wrong: 'A slash too many at its end: every token is answered 401.' },
  secret: { kind: secret, reload: 'live',
    text: 'HMAC key, as text: at least 32 bytes for HS256, 48 for HS384, 64 for HS512.',
    wrong: 'Short, or publicly known: refused at the start. Whoever has it can make tokens.' },
  public_key: { kind: pem, reload: 'live',
    text: 'Public key that tokens are signed for: RSA, EC or Ed25519.',
    wrong: 'Not the key of the issuer: every token is answered 401.' },
  jwks_file: { kind: path, reload: 'live',
    text: 'File with a JSON Web Key Set; a token chooses its key by `kid`.',
    wrong: 'Without the key of the issuer: every token is answered 401.' },
  jwks_url: { kind: url, reload: 'live',
    text: 'Where the issuer publishes its JSON Web Key Set; fetched in the background, again for a `kid` that is new.',
    wrong: 'Not the key set of the issuer: every token is answered 401. Not reachable at the start: 503.' },
  ca_file: { kind: path, reload: 'live',
    text: 'PEM file with the only authorities trusted where keys are fetched; without it those that Node brings.',
    wrong: 'Without the authority of the issuer: its keys cannot be fetched, every token is answered 401 or 503.' },
  proxy_url: { kind: proxyUrl, reload: 'live',
    text: 'HTTP proxy, as in `aws.proxy_url`, through which the issuer is asked: for its keys, and where people sign in with it. An https:// one shows a certificate that `ca_file` beside it trusts. Without it the issuer is asked directly, whatever `aws.proxy_url` is.',
    wrong: 'Not reachable, or it refuses: keys cannot be fetched, every token is answered 401 or 503.' },
  named_hosts: { kind: list(authority, 0), reload: 'live',
    text: 'Hosts, besides its own, at which the issuer may say that its keys are, and its endpoints for those who sign in; `[]` for none. Without it any host, of an https:// issuer by https:// only, and `check --egress` cannot say which.',
    wrong: 'Without a host that the issuer names: its keys cannot be fetched, or nobody can sign in, and the log names the host.' },
  audience: { kind: list(text()), reload: 'live',
    text: 'Names for this service; the `aud` of a token must hold one of them. Without it `aud` is not checked.',
    wrong: 'Left out: a token that the issuer made for another service opens this one too.' },
  algorithms: { kind: list(algorithm), reload: 'live',
    text: 'Signature algorithms accepted; without it all that fit the type of the key.',
    wrong: 'None of them fits the key: every token is answered 401.' },
  leeway: { kind: duration('0s', '10m'), default: '60s', reload: 'live',
    text: 'How far the clock of the issuer may differ from ours.',
    wrong: 'Too long: expired tokens live on. Too short: fresh tokens are "not yet valid".' },
  max_lifetime: { kind: duration('1s', '8760h'), reload: 'live',
    text: 'Longest time between the `iat` and `exp` of a token; without it any.',
    wrong: 'Shorter than what the issuer gives: every token is answered 401.' },
  max_stale: { kind: duration('1m', '596h'), default: '24h', reload: 'live',
    text: 'How long fetched keys stay good while no newer ones can be fetched.',
    wrong: 'Too long: a key that the issuer has withdrawn opens the door while the issuer is down.' },
  user_claims: { kind: list(pointer), default: '/sub,/user_id', reload: 'live',
    text: 'Where the user stands in a token: JSON pointers, the first that is there.',
    wrong: 'A claim that people can change, such as an e-mail address: they can become each other.' },
  groups_claims: { kind: list(pointer, 0), default: '/groups,/roles,/permissions,/scope', reload: 'live',
    text: 'Where the groups of the user stand: JSON pointers to lists, or to words between spaces.',
    wrong: 'A claim that people can change: they can join any group.' },
  required_claims: { kind: list(pointer, 0), default: '', reload: 'live',
    text: 'Claims that a token must have: JSON pointers.',
    wrong: 'A claim the issuer does not send: every token is answered 401.' },
} as const satisfies Columns

const oneIssuer = section('jwt', issuer)

/** One issuer, or several. */
export const jwt = {
  ...oneIssuer,
  'jwt.cache_folder': { kind: path, reload: 'restart',
    text: 'Folder in which the last good fetched keys outlive a restart; without it they are kept in memory only.',
    wrong: 'Writable for others: who writes there decides whose tokens are good.' },
  'jwt.revocation_file': { kind: path, reload: 'live',
    text: 'YAML or JSON file with rows of `issuer`, `user`, `jti`, `issued_before`: tokens that every field of a row fits are refused, and what streams for them ends. Read anew when it changes, within half a second.',
    wrong: 'Bad or gone while the proxy runs: the last good one stays in force, and the log says so.' },
  'jwt.issuers': { kind: rows({ ...issuer, issuer: { ...issuer.issuer, required: true } }), default: '', reload: 'live',
    text: 'Several issuers, each with its own keys and rules; either this or the options of the one above, not both.',
    wrong: 'An issuer left out: its tokens are answered 401.' },
} as const satisfies Options

/** What each row of `jwt.issuers` has for itself, as the options of the one issuer. */
export const ISSUER_OPTIONS = Object.keys(oneIssuer) as (keyof typeof oneIssuer)[]

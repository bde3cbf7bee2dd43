import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatProblem } from '../../src/config/index.ts'
import { lines, load, NEEDED } from './kit.ts'

const { jwt, aws } = NEEDED
const TLS = 'expected server.tls.cert_file and server.tls.key_file, both or neither'
const KEYS = 'expected aws.access_key_id and aws.secret_access_key together, and aws.session_token only with them'
const ONE = 'expected aws.access_key_id, aws.secret_access_key, aws.session_token all from the file or all from the environment'
const TWO = [{ issuer: 'https://a' }, { issuer: 'https://b' }]
const ROLE = 'arn:aws:iam::111122223333:role/r'
const REDIS = 'expected limits.url with limits.store redis, and only with it'
const JOURNAL = 'expected limits.path with limits.store journal, and only with it'

for (const [claim, document, env, expected] of [
  ['an issuer to sign in with has no client', NEEDED, { SSO__ISSUER: 'https://a/' }, 'SSO__ISSUER: sso.issuer: expected sso.issuer and sso.client_id, both or neither'],
  ['a client secret has no issuer', NEEDED, { SSO__CLIENT_SECRET: 's' }, 'SSO__CLIENT_SECRET: sso.client_secret: expected sso.issuer beside it: without an issuer nobody can sign in'],
  ['people sign in with an issuer whose tokens are refused', NEEDED, { JWT__ISSUER: 'https://b/', SSO__ISSUER: 'https://a/', SSO__CLIENT_ID: 'c' },
    'SSO__ISSUER: sso.issuer: expected an issuer whose tokens are accepted: the same as jwt.issuer, or one of jwt.issuers'],
  ['the client of login has a secret and no name', NEEDED, { JWT__ISSUER: 'https://a/', SSO__ISSUER: 'https://a/', SSO__CLIENT_ID: 'c', SSO__LOGIN_CLIENT_SECRET: 's' },
    'SSO__LOGIN_CLIENT_SECRET: sso.login_client_secret: expected sso.login_client_id beside it: the client of the pages keeps its secret'],
  ['a parameter of login is one that a sign-in sets by itself', { ...NEEDED, jwt: { issuer: 'https://a/' }, sso: { issuer: 'https://a/', client_id: 'c', login_parameters: { redirect_uri: 'https://evil/' } } }, {},
    '/srv/config.json:11: sso.login_parameters: expected sso.issuer beside it, and parameters that a sign-in does not set by itself, such as access_type'],
  ['browsers come back to a page that is none', NEEDED, { SSO__ISSUER: 'https://a/', SSO__CLIENT_ID: 'c', SSO__REDIRECT_URL: 'https://p/callback' },
    'SSO__REDIRECT_URL: sso.redirect_url: expected the address of this proxy with /sign-in/callback at its end'],
  ['the secret of cookies is short', NEEDED, { SSO__ISSUER: 'https://a/', SSO__CLIENT_ID: 'c', SSO__COOKIE_SECRET: 's' },
    'SSO__COOKIE_SECRET: sso.cookie_secret: expected sso.cookie_secret of at least 32 bytes (`openssl rand -base64 48` makes one)'],
  ['a certificate has no key', { ...NEEDED, server: { tls: { cert_file: 'c' } } }, {}, `/srv/config.json:10: server.tls.cert_file: ${TLS}`],
  ['a key has no certificate', NEEDED, { SERVER__TLS__KEY_FILE: 'k' }, `SERVER__TLS__KEY_FILE: server.tls.key_file: ${TLS}`],
  ['clients are to show certificates and there is no TLS', { ...NEEDED, server: { tls: { client_ca_file: 'a' } } }, {},
    '/srv/config.json:10: server.tls.client_ca_file: expected server.tls.cert_file beside server.tls.client_ca_file: without TLS no client shows a certificate'],
  ['the largest body is larger than all bodies may be', NEEDED, { SERVER__MAX_INFLIGHT: '24MB' },
    'SERVER__MAX_INFLIGHT: server.max_inflight: expected server.max_body within server.max_inflight, or the largest body could never be held'],
  ['no key for tokens is given', { aws }, {}, '/srv/config.json: jwt.secret: expected a key to check tokens with: JWT__SECRET_FILE or JWT__SECRET (HMAC;'
    + ' `openssl rand -base64 48` makes one), JWT__PUBLIC_KEY_FILE (PEM), JWT__JWKS_FILE or JWT__JWKS_URL (JSON Web Key Set),'
    + ' JWT__ISSUER alone (the issuer is asked), or the same in the file, jwt.secret_file for one'],
  ['two keys for tokens are given, in whatever layers', NEEDED, { JWT__JWKS_FILE: 'j' },
    '/srv/config.json:3: jwt.secret: expected one of jwt.secret, jwt.public_key, jwt.jwks_file, jwt.jwks_url, not several'],
  ['limits go to a journal without a path', NEEDED, { LIMITS__STORE: 'journal' }, `LIMITS__STORE: limits.store: ${JOURNAL}`],
  ['limits have a path and no journal', { ...NEEDED, limits: { path: 'used' } }, {}, `/srv/config.json:9: limits.path: ${JOURNAL}`],
  ['limits go to a Redis without a URL', NEEDED, { LIMITS__STORE: 'redis' }, `LIMITS__STORE: limits.store: ${REDIS}`],
  ['limits have a URL and no Redis', NEEDED, { LIMITS__URL: 'redis://r' }, `LIMITS__URL: limits.url: ${REDIS}`],
  ['limits have a path and a Redis', NEEDED, { LIMITS__URL: 'redis://r', LIMITS__STORE: 'redis', LIMITS__PATH: 'p' }, `LIMITS__STORE: limits.store: ${JOURNAL}`],
  ['the password of a Redis is given twice', NEEDED, { LIMITS__STORE: 'redis', LIMITS__URL: 'redis://:a@r', LIMITS__PASSWORD: 'b' }, 'LIMITS__PASSWORD: limits.password: expected limits.password beside a limits.url that has none'],
  ['authorities for a Redis are given, and no TLS', NEEDED, { LIMITS__STORE: 'redis', LIMITS__URL: 'redis://r', LIMITS__CA_FILE: 'a' }, 'LIMITS__CA_FILE: limits.ca_file: expected limits.ca_file beside a limits.url that begins with rediss://'],
  ['a burst has no rate', { ...NEEDED, limits: { users: { 'a b': { burst: 2 }, c: { burst: 2, requests_per_minute: 1 } } } }, {},
    '/srv/config.json:11: limits.users."a b".burst: expected requests_per_minute beside it: a burst is of a rate'],
  ['the burst of everybody has no rate', NEEDED, { LIMITS__DEFAULT__BURST: '3' },
    'LIMITS__DEFAULT__BURST: limits.default.burst: expected requests_per_minute beside it: a burst is of a rate'],
  ['a user is of any of several issuers', { aws, jwt: { issuers: [{ issuer: 'https://a' }, { issuer: 'https://b' }] }, limits: { users: { 'https://a|ann': {}, 'https://c|ann': {} } } }, {},
    '/srv/config.json:18: limits.users."https://c|ann": expected issuer|user, with one of the issuers: there are several'],
  ['a role is for a user of any of several issuers', { jwt: { issuers: TWO }, aws: { ...aws, assume_role: { session_name: '{user},{issuer}', rules: [{ role_arn: ROLE, users: ['https://a|ann'] }, { role_arn: ROLE, users: ['ann'] }] } } }, {},
    '/srv/config.json:23: aws.assume_role.rules[1]: expected users as issuer|user, with one of the issuers: there are several'],
  ['sessions are named after users of several issuers', { jwt: { issuers: TWO }, aws: { ...aws, assume_role: { role_arn: ROLE } } }, {},
    '/srv/config.json:15: aws.assume_role.role_arn: expected session names with {issuer} beside {user}, such as {user},{issuer}: with several issuers two people may have one name'],
  ['the key of a session tag is none that AWS takes', { jwt, aws: { ...aws, assume_role: { role_arn: ROLE, tags: { 'aws:x': 'y' } } } }, {},
    '/srv/config.json:9: aws.assume_role.tags: expected at most 50 tags, with keys of up to 128 letters, digits, spaces and _ . : / = + - @ that do not begin with "aws:"'],
  ['the key of request metadata is none that AWS takes', { jwt, aws: { ...aws, request_metadata: { 'a;b': 'c' } } }, {},
    '/srv/config.json:7: aws.request_metadata: expected at most 16 keys of up to 256 letters, digits, spaces and : _ @ $ # = / + , - .'],
  ['a profile is for a user of any of several issuers', { jwt: { issuers: TWO }, aws: { ...aws, profiles: [{ models: ['*'], users: ['ann'], profile: 'arn:aws:bedrock:us-east-1:111122223333:inference-profile/x' }] } }, {},
    '/srv/config.json:15: aws.profiles[0]: expected users as issuer|user, with one of the issuers: there are several'],
  ['no region is given', { jwt }, {}, '/srv/config.json: aws.region: expected a region: AWS__REGION, AWS_REGION, AWS_DEFAULT_REGION, aws.region or the region of the profile'],
  ['all endpoints are our own, and no region to sign for is given', { jwt, aws: { endpoint: 'https://e' } }, {},
    '/srv/config.json: aws.region: expected a region: AWS__REGION, AWS_REGION, AWS_DEFAULT_REGION, aws.region or the region of the profile'],
  ['FIPS is asked of an endpoint of our own', { jwt, aws: { ...aws, fips: true, endpoint: 'https://e' } }, {},
    '/srv/config.json:7: aws.fips: expected no aws.fips beside an endpoint of your own, whose host is taken as it is'],
  ['dual stack is asked of an endpoint of our own', NEEDED, { AWS__DUAL_STACK: 'true', AWS__MANTLE_ENDPOINT: 'https://m' },
    'AWS__DUAL_STACK: aws.dual_stack: expected no aws.dual_stack beside an endpoint of your own, whose host is taken as it is'],
  ['two upstreams have one name', { jwt, aws: { ...aws, upstreams: [{ name: 'a' }, { name: 'a' }] } }, {},
    '/srv/config.json:11: aws.upstreams[1]: expected an upstream of another name than those above it'],
  ['an upstream has two kinds of credentials', { jwt, aws: { ...aws, upstreams: [{ name: 'a', profile: 'p', bearer_token: 'ABSK' }] } }, {},
    '/srv/config.json:8: aws.upstreams[0]: expected one of profile, access_key_id with secret_access_key, and bearer_token, the last without role_arn'],
  ['an upstream has a region beside the endpoint of another', { jwt, aws: { ...aws, endpoint: 'https://e', upstreams: [{ name: 'a', region: 'eu-west-1' }] } }, {},
    '/srv/config.json:9: aws.upstreams[0]: expected an endpoint for another region: aws.endpoint is a wall, beside which nothing goes to a public host'],
  ['an upstream is the proxy itself', { jwt, aws: { ...aws, upstreams: [{ name: 'a', endpoint: 'http://127.0.0.1:3000' }] } }, {},
    '/srv/config.json:8: aws.upstreams[0]: expected an endpoint of AWS: this one is the proxy itself'],
  ['FIPS is asked of the endpoint of an upstream', { jwt, aws: { ...aws, upstreams: [{ name: 'a', endpoint: 'https://e' }] } }, { AWS__FIPS: 'true' },
    '/srv/config.json:8: aws.upstreams[0]: expected no endpoint of its own beside aws.fips or aws.dual_stack: its host is taken as it is'],
  ['roles of callers stand beside an API key', { jwt, aws: { ...aws, bearer_token: 'ABSK', assume_role: { role_arn: 'arn:aws:iam::111122223333:role/r' } } }, {},
    '/srv/config.json:7: aws.bearer_token: expected no aws.access_key_id and no aws.assume_role beside an API key: AWS knows all callers by that'],
  ['an access key has no secret', NEEDED, { AWS__ACCESS_KEY_ID: 'a' }, `AWS__ACCESS_KEY_ID: aws.access_key_id: ${KEYS}`],
  ['a secret has no access key', NEEDED, { AWS__SECRET_ACCESS_KEY: 'a' }, `AWS__SECRET_ACCESS_KEY: aws.secret_access_key: ${KEYS}`],
  ['a session token has no access key', NEEDED, { AWS__SESSION_TOKEN: 'a' }, `AWS__SESSION_TOKEN: aws.session_token: ${KEYS}`],
  ['the session token of the file meets the access key of the environment', { jwt, aws: { ...aws, session_token: 't' } },
    { AWS__ACCESS_KEY_ID: 'a', AWS__SECRET_ACCESS_KEY: 'b' }, `AWS__ACCESS_KEY_ID: aws.access_key_id: ${ONE}`],
] as const) {
  test(`It is a problem when ${claim}`, () => assert.deepEqual(lines(load(document, env)), [expected]))
}

for (const [claim, document, env] of [
  ['certificate and key', NEEDED, { SERVER__TLS__KEY_FILE: 'k', SERVER__TLS__CERT_FILE: 'c' }],
  ['a key set alone', { aws }, { JWT__JWKS_FILE: 'j' }],
  ['FIPS and dual stack of the region', NEEDED, { AWS__FIPS: 'true', AWS__DUAL_STACK: 'true' }],
  ['an endpoint with FIPS turned off', NEEDED, { AWS__FIPS: 'false', AWS__ENDPOINT: 'https://e' }],
  ['an access key with its secret', NEEDED, { AWS__ACCESS_KEY_ID: 'a', AWS__SECRET_ACCESS_KEY: 'b' }],
  ['an access key of the environment over the whole one of the file',
    { jwt, aws: { ...aws, access_key_id: 'x', secret_access_key: 'y' } }, { AWS__ACCESS_KEY_ID: 'a', AWS__SECRET_ACCESS_KEY: 'b' }],
  ['a body as large as all bodies may be', NEEDED, { SERVER__MAX_INFLIGHT: '25MB' }],
] as const) {
  test(`It is no problem to give ${claim}`, () => assert.deepEqual(lines(load(document, env)), []))
}

test('An option with a problem of its own is not said to be missing as well', () => {
  assert.deepEqual(lines(load({ jwt: { secret: '' }, aws: { region: '' } })).map((line) => line.replace(/: expected.*/, '')),
    ['/srv/config.json:3: jwt.secret', '/srv/config.json:6: aws.region'])
})

const SIGN_IN = { ...NEEDED, jwt: { issuer: 'https://a/' }, sso: { issuer: 'https://a/', client_id: 'pages', redirect_url: 'https://p/sign-in/callback' } }
const LACKS = 'expected the clients of sso (sso.client_id, sso.login_client_id) in it: the ID tokens of a sign-in are for them, and are refused without'

for (const [claim, document, env, expected] of [
  ['no audience has the client of the pages', SIGN_IN, { JWT__AUDIENCE: 'bedrock' }, [`JWT__AUDIENCE: jwt.audience: ${LACKS}`]],
  ['one has not the client of login', SIGN_IN, { JWT__AUDIENCE: 'pages', SSO__LOGIN_CLIENT_ID: 'cli' }, [`JWT__AUDIENCE: jwt.audience: ${LACKS}`]],
  ['both are there', SIGN_IN, { JWT__AUDIENCE: 'pages,cli', SSO__LOGIN_CLIENT_ID: 'cli' }, []],
  ['there are no pages, and login has its own', { ...SIGN_IN, sso: { issuer: 'https://a/', client_id: 'pages' } }, { JWT__AUDIENCE: 'cli', SSO__LOGIN_CLIENT_ID: 'cli' }, []],
  ['nobody looks at it', SIGN_IN, {}, []],
  ['clients are given access tokens', SIGN_IN, { JWT__AUDIENCE: 'bedrock', SSO__TOKEN: 'access' }, []],
  ['it is another issuer with whom nobody signs in', { ...SIGN_IN, jwt: { issuers: [{ issuer: 'https://a/', audience: ['pages'] }, { issuer: 'https://b/', audience: ['bedrock'] }] } }, {}, []],
  ['it is that one of several', { ...SIGN_IN, jwt: { issuers: [{ issuer: 'https://b/' }, { issuer: 'https://a/', audience: ['bedrock'] }] } }, {}, [`/srv/config.json:9: jwt.issuers[1].audience: ${LACKS}`]],
] as const) {
  test(`jwt.audience beside a sign-in that gives out ID tokens, where ${claim}: ${expected.length === 0 ? 'no hint' : 'a hint'}`, () => {
    assert.deepEqual(load(document, env).hints.map(formatProblem), expected)
  })
}

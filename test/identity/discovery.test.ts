import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { createServer } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { discoverKeys } from '../../src/identity/discovery.ts'
import { Authenticator, type Get, trustedIssuers } from '../../src/identity/index.ts'
import { codeOf, ecKey, issuerOptions, jwks, TestIssuer, TestWorld, tokenOf } from './kit.ts'

const KEY = ecKey('k1')

test('an issuer without keys of its own in the configuration is asked where they are', async () => {
  const issuer = await TestIssuer.start(KEY)
  const world = new TestWorld()
  const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: issuer.url })]), world)
  const caller = await authenticator.authenticate(tokenOf(KEY, { iss: issuer.url }), world.timeMs)
  assert.equal(caller.issuer, issuer.url)
  assert.deepEqual(issuer.asked, ['/.well-known/openid-configuration', '/keys'])
  authenticator.close()
})

/** What a description can lack, with the error it ends in. `URL` stands for the issuer. */
const DESCRIPTIONS: readonly (readonly [claim: string, description: string, code: string])[] = [
  ['names another issuer', '{"issuer":"https://evil.example","jwks_uri":"URL/keys"}', 'IDENTITY_DISCOVERY_MISMATCH'],
  ['names the issuer with a slash at its end', '{"issuer":"URL/","jwks_uri":"URL/keys"}', 'IDENTITY_DISCOVERY_MISMATCH'],
  ['names no issuer', '{"jwks_uri":"URL/keys"}', 'IDENTITY_DISCOVERY_MISMATCH'],
  ['names a list of issuers', '{"issuer":["URL"],"jwks_uri":"URL/keys"}', 'IDENTITY_DISCOVERY_MISMATCH'],
  ['names two issuers', '{"issuer":"https://evil.example","issuer":"URL","jwks_uri":"URL/keys"}', 'JSON_DUPLICATE_NAME'],
  ['names no place of keys', '{"issuer":"URL"}', 'IDENTITY_DISCOVERY_INCOMPLETE'],
  ['names a list of places', '{"issuer":"URL","jwks_uri":["URL/keys"]}', 'IDENTITY_DISCOVERY_INCOMPLETE'],
  ['names a place without TLS', '{"issuer":"URL","jwks_uri":"http://192.0.2.1/keys"}', 'IDENTITY_URL_REFUSED'],
  ['names a file', '{"issuer":"URL","jwks_uri":"file:///etc/keys"}', 'IDENTITY_URL_REFUSED'],
  ['is a page', '<html>', 'JSON_SYNTAX'],
  ['is null', 'null', 'IDENTITY_DISCOVERY_MISMATCH'],
]

for (const [claim, description, code] of DESCRIPTIONS) {
  test(`no key is taken from an issuer whose description ${claim}`, async () => {
    const issuer = await TestIssuer.start(KEY)
    issuer.describe = (_, response) => response.end(description.replaceAll('URL', issuer.url))
    const world = new TestWorld()
    const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: issuer.url })]), world)
    assert.equal(await codeOf(() => authenticator.authenticate(tokenOf(KEY, { iss: issuer.url }), world.timeMs)), 'IDENTITY_KEYS_UNAVAILABLE')
    assert.equal(authenticator.status()[0]?.error, code)
    assert.equal(issuer.fetches, 0)
    authenticator.close()
  })
}

const answering = (description: object): Get => async () => ({ bytes: Buffer.from(JSON.stringify(description)), cacheControl: '' })
const { signal } = new AbortController()

test('an issuer behind TLS cannot send us to the plain ports of this host', async () => {
  const issuer = 'https://idp.example'
  await assert.rejects(discoverKeys(issuer, undefined, answering({ issuer, jwks_uri: 'http://127.0.0.1:8080/keys' }), signal), { code: 'IDENTITY_URL_REFUSED' })
  assert.equal(await discoverKeys(issuer, undefined, answering({ issuer, jwks_uri: 'https://keys.example/' }), signal), 'https://keys.example/')
})

test('keys may be at the host of the issuer and at those that are named, where any are', async () => {
  const issuer = 'https://idp.example:8443/tenant'
  const found = (url: string, ...named: readonly string[]) => discoverKeys(issuer, named, answering({ issuer, jwks_uri: url }), signal)
  assert.equal(await found('https://idp.example:8443/keys'), 'https://idp.example:8443/keys')
  assert.equal(await found('https://Keys.example/a', 'other.example', 'keys.example:443'), 'https://Keys.example/a')
  for (const url of ['https://keys.example/a', 'https://idp.example/keys', 'https://other.example:444/', 'https://other.example.evil/', 'https://evil@', 'not a URL']) {
    await assert.rejects(found(url, 'other.example'), { code: 'IDENTITY_URL_REFUSED' }, url)
  }
})

test('a slash at the end of an issuer is not doubled, and is part of its name', async () => {
  const issuer = 'https://tenant.example/'
  const asked: string[] = []
  const get: Get = async (url, abort) => {
    asked.push(url)
    return answering({ issuer, jwks_uri: 'https://tenant.example/keys' })(url, abort)
  }
  assert.equal(await discoverKeys(issuer, undefined, get, signal), 'https://tenant.example/keys')
  assert.deepEqual(asked, ['https://tenant.example/.well-known/openid-configuration'])
})

/** A certificate for 127.0.0.1 that signs itself, and its key. */
function certificate(): { cert: string; key: string } | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'identity-'))
  try {
    const [cert, key] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
    const ec = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    execFileSync('openssl', ['req', '-x509', ...ec, '-subj', '/CN=idp', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', key, '-out', cert], { stdio: 'pipe' })
    return { cert: readFileSync(cert, 'utf8'), key: readFileSync(key, 'utf8') }
  } catch {
    return undefined
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const made = certificate()
const other = certificate()
const skip = made === undefined || other === undefined ? 'no openssl on this machine to make certificates' : false

test('over TLS only the authorities that are given are trusted', { skip }, async () => {
  const server = createServer(made!, (_, response) => response.end(jwks(KEY))).listen(0, '127.0.0.1')
  after(() => server.close())
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const error = async (ca: string | undefined, host: string) => {
    const authenticator = new Authenticator(trustedIssuers([issuerOptions({ issuer: 'x', jwksUrl: `https://${host}:${port}/`, ca })]), world)
    await world.idle()
    authenticator.close()
    return authenticator.status()[0]?.error
  }
  const world = new TestWorld()
  assert.equal(await error(made!.cert, '127.0.0.1'), undefined)
  assert.equal(await error(undefined, '127.0.0.1'), 'IDENTITY_FETCH_FAILED')
  assert.equal(await error(other!.cert, '127.0.0.1'), 'IDENTITY_FETCH_FAILED')
  assert.equal(await error(made!.cert, 'localhost'), 'IDENTITY_FETCH_FAILED')
  const details = world.logged('keys not fetched').map(({ detail }) => detail)
  assert.deepEqual(details, ['DEPTH_ZERO_SELF_SIGNED_CERT', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ERR_TLS_CERT_ALTNAME_INVALID'])
})

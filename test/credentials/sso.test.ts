import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { HttpAnswer, HttpRequest } from '../../src/credentials/http.ts'
import { hostFiles } from '../../src/credentials/index.ts'
import { fromProfile } from '../../src/credentials/profile.ts'
import { secret } from '../kit/leaks.ts'
import { disk, failure, NOW, revealed, world } from './kit.ts'

const CONFIG = '[default]\nsso_session = corp\nsso_account_id = 111122223333\nsso_role_name = Dev+Ops\n[sso-session corp]\nsso_region = eu-north-1\nsso_start_url = https://corp.example/start\n'
const FILE = `/.aws/sso/cache/${createHash('sha1').update('corp').digest('hex')}.json`
const REFRESHABLE = { clientId: 'cid', clientSecret: secret('the OIDC client secret', 'csecret'), refreshToken: secret('the refresh token', 'refresh-1'), startUrl: 'https://corp.example/start' }
const ROLE = JSON.stringify({ roleCredentials: { accessKeyId: 'ASIASSO', secretAccessKey: 's', sessionToken: 't', expiration: NOW + 3_600_000 } })
const NEW = { accessToken: secret('the new token', 'new-token'), expiresIn: 3600, refreshToken: secret('the next refresh token', 'refresh-2') }
secret('the cached token', 'old-token')

/** A host whose token expires so many minutes from now. */
function host(minutes: number, { token = {}, oidc = { status: 200, body: JSON.stringify(NEW) }, portal = { status: 200, body: ROLE }, config = CONFIG }: { token?: object; oidc?: HttpAnswer; portal?: HttpAnswer; config?: string } = {}) {
  const requests: HttpRequest[] = []
  const written: [string, string][] = []
  const texts = { '/.aws/config': config, [FILE]: JSON.stringify({ accessToken: 'old-token', expiresAt: new Date(NOW + minutes * 60_000).toISOString(), ...REFRESHABLE, ...token }) }
  const files = { ...disk(texts), writeText: (path: string, text: string) => void written.push([path, text]) }
  const http = async (request: HttpRequest) => (requests.push(request), request.url.host.startsWith('oidc') ? oidc : portal)
  return { requests, written, load: () => fromProfile(world({ files, http })) }
}

const sent = ({ method, url, headers, body }: HttpRequest) => [method, url.href, headers['x-amz-sso_bearer_token'] ?? body]
const PORTAL = 'https://portal.sso.eu-north-1.amazonaws.com/federation/credentials?account_id=111122223333&role_name=Dev%2BOps'

test('a token that lasts is shown to the portal, which gives the credentials of the role', async () => {
  const { requests, written, load } = host(6)
  assert.deepEqual(revealed(await load()), { accessKeyId: 'ASIASSO', secretAccessKey: 's', sessionToken: 't', expiresMs: NOW + 3_600_000 })
  assert.deepEqual([requests.map(sent), written], [[['GET', PORTAL, 'old-token']], []])
})

test('a token in its last five minutes is renewed, and the new one is left for the others on this host', async () => {
  for (const minutes of [5, -60]) {
    const { requests, written, load } = host(minutes)
    assert.equal((await load()).accessKeyId, 'ASIASSO')
    assert.deepEqual(requests.map(sent), [
      ['POST', 'https://oidc.eu-north-1.amazonaws.com/token', '{"clientId":"cid","clientSecret":"csecret","grantType":"refresh_token","refreshToken":"refresh-1"}'],
      ['GET', PORTAL, 'new-token'],
    ])
    assert.deepEqual(written.map(([path, text]) => [path, JSON.parse(text)]), [[FILE, { ...REFRESHABLE, accessToken: 'new-token', refreshToken: 'refresh-2', expiresAt: '2026-03-01T13:00:00Z' }]])
  }
})

test('where it cannot be renewed, a token serves as long as it lasts', async () => {
  for (const more of [{ oidc: { status: 400, body: '{"error":"invalid_grant"}' } }, { oidc: { status: 200, body: '{}' } }, { token: { refreshToken: undefined } }]) {
    const { load, requests, written } = host(2, more)
    assert.deepEqual([(await load()).accessKeyId, sent(requests.at(-1)!)[2], written.length], ['ASIASSO', 'old-token', 0])
    assert.match((await failure(host(0, more).load, 'CREDENTIALS_EXPIRED')).message, /aws sso login is due/)
  }
})

test('a token of a legacy profile is never renewed', async () => {
  const legacy = CONFIG.split('[sso-session')[0]!.replace('sso_session = corp', 'sso_region = eu-north-1\nsso_start_url = corp')
  assert.equal((await host(2, { config: legacy }).load()).accessKeyId, 'ASIASSO')
  const { requests, load } = host(-1, { config: legacy })
  await failure(load, 'CREDENTIALS_EXPIRED')
  assert.equal(requests.length, 0)
})

test('what the portal refuses, or gives in another form, is an error', async () => {
  assert.match((await failure(host(60, { portal: { status: 401, body: '' } }).load, 'CREDENTIALS_REFUSED')).message, /aws sso login is due/)
  assert.match((await failure(host(60, { portal: { status: 403, body: '' } }).load, 'CREDENTIALS_REFUSED')).message, /\(403\)/)
  for (const body of ['', '{}', ROLE.replace('"t"', 'null'), ROLE.replace(/"expiration":\d+/, '"expiration":1e300'), ROLE.replace(/"expiration":\d+/, '"expiration":"x"')]) await failure(host(60, { portal: { status: 200, body } }).load, 'CREDENTIALS_INVALID')
})

test('a malformed token or region sends nothing', async () => {
  for (const more of [{ token: { accessToken: 'a\nb' } }, { token: { expiresAt: 'later' } }, { config: CONFIG.replace('eu-north-1', 'evil.example/') }]) {
    const { requests, load } = host(60, more)
    await failure(load, 'CREDENTIALS_INVALID')
    assert.equal(requests.length, 0)
  }
})

test('a file is replaced whole, for its owner only; that it cannot is no error', () => {
  const folder = mkdtempSync(join(tmpdir(), 'sso-'))
  after(() => rmSync(folder, { recursive: true }))
  const path = join(folder, 'token.json')
  writeFileSync(path, 'old', { mode: 0o644 })
  hostFiles.writeText!(path, 'new')
  assert.deepEqual([readFileSync(path, 'utf8'), statSync(path).mode & 0o777], ['new', 0o600])
  mkdirSync(join(folder, 'folder'))
  hostFiles.writeText!(join(folder, 'folder'), 'new')
  hostFiles.writeText!(join(folder, 'gone', 'x'), 'new')
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import type { HttpAnswer, HttpRequest } from '../../src/credentials/http.ts'
import { assumeRole, fromWebIdentityEnvironment } from '../../src/credentials/sts.ts'
import type { Credentials } from '../../src/credentials/source.ts'
import type { World } from '../../src/credentials/world.ts'
import { Secret } from '../../src/secret/index.ts'
import { verifyRequest } from '../../src/sigv4/index.ts'
import { secret } from '../kit/leaks.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { failure, NOW, revealed, world } from './kit.ts'

const TOKEN = secret('the web identity token', 'eyJ.web.identity')
const ENV = { AWS_WEB_IDENTITY_TOKEN_FILE: '/token', AWS_ROLE_ARN: 'arn:aws:iam::111122223333:role/irsa' }
const ANSWER = `<AssumeRoleWithWebIdentityResponse><AssumeRoleWithWebIdentityResult><SubjectFromWebIdentityToken>s</SubjectFromWebIdentityToken><Credentials>
  <AccessKeyId>ASIASTS</AccessKeyId><SecretAccessKey>${secret('the secret of STS', 'stssecret')}</SecretAccessKey><SessionToken>ststoken</SessionToken><Expiration>2026-03-01T13:00:00Z</Expiration>
</Credentials></AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>`
const refusal = (code: string, status = 400): HttpAnswer => ({ status, body: `<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>about ${TOKEN}</Message></Error></ErrorResponse>` })

function sts(...answers: readonly Partial<HttpAnswer>[]) {
  const requests: HttpRequest[] = []
  const http = async (request: HttpRequest): Promise<HttpAnswer> => ({ status: 200, body: ANSWER, ...answers[Math.min(requests.push(request), answers.length) - 1] })
  const load = (more: Partial<World> = {}, token = `${TOKEN}\n`) => fromWebIdentityEnvironment(world({ http, texts: { '/token': token }, ...more, env: { ...ENV, ...more.env } }))
  return { requests, load }
}

test('the token of the file is sent unsigned, without the line end of the file', async () => {
  const { requests, load } = sts()
  assert.deepEqual(revealed(await load({ region: 'us-east-2' })), { accessKeyId: 'ASIASTS', secretAccessKey: 'stssecret', sessionToken: 'ststoken', expiresMs: Date.parse('2026-03-01T13:00:00Z') })
  const [{ method, url, headers, body } = assert.fail()] = requests
  assert.deepEqual([method, url.href, headers], ['POST', 'https://sts.us-east-2.amazonaws.com/', { 'content-type': 'application/x-www-form-urlencoded' }])
  assert.equal(body, `Action=AssumeRoleWithWebIdentity&Version=2011-06-15&RoleArn=arn%3Aaws%3Aiam%3A%3A111122223333%3Arole%2Firsa&RoleSessionName=bedrock-sso-proxy&WebIdentityToken=${TOKEN}`)
})

test('AWS_ROLE_SESSION_NAME names the session', async () => {
  const { requests, load } = sts()
  await load({ env: { AWS_ROLE_SESSION_NAME: 'pod+1' } })
  assert.equal(new URLSearchParams(requests[0]!.body).get('RoleSessionName'), 'pod+1')
})

test('STS is asked where region, partition, FIPS and the endpoint variables say', async () => {
  for (const [more, host] of [
    [{}, 'sts.us-east-1.amazonaws.com'],
    [{ region: 'cn-north-1' }, 'sts.cn-north-1.amazonaws.com.cn'],
    [{ region: 'eusc-de-east-1' }, 'sts.eusc-de-east-1.amazonaws.eu'],
    [{ region: 'us-iso-east-1' }, 'sts.us-iso-east-1.c2s.ic.gov'],
    [{ region: 'us-isob-east-1' }, 'sts.us-isob-east-1.sc2s.sgov.gov'],
    [{ region: 'us-east-2', fips: true }, 'sts-fips.us-east-2.amazonaws.com'],
    [{ region: 'us-gov-west-1', fips: true }, 'sts.us-gov-west-1.amazonaws.com'],
    [{ env: { AWS_ENDPOINT_URL_STS: 'https://sts.internal:8443', AWS_ENDPOINT_URL: 'https://all.internal' } }, 'sts.internal:8443'],
    [{ env: { AWS_ENDPOINT_URL: 'https://all.internal' } }, 'all.internal'],
    [{ env: { AWS_ENDPOINT_URL_STS: 'https://sts.internal', AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' } }, 'sts.us-east-1.amazonaws.com'],
  ] as const) {
    const { requests, load } = sts()
    await load(more)
    assert.equal(requests[0]!.url.host, host)
  }
})

test('a malformed region or endpoint gets no token', async () => {
  const { requests, load } = sts()
  for (const region of ['evil.example/', 'us-east-1.evil', 'US', '', 'a'.repeat(64)]) await failure(() => load({ region }), 'CREDENTIALS_INVALID')
  for (const url of ['sts.internal', 'ftp://sts.internal', 'https://a:b@sts.internal']) await failure(() => load({ env: { AWS_ENDPOINT_URL_STS: url } }), 'CREDENTIALS_INVALID')
  assert.equal(requests.length, 0)
})

test('a refusal is named by the error code of STS, and by nothing else of it', async () => {
  for (const code of ['InvalidIdentityToken', 'AccessDenied', 'ExpiredTokenException']) {
    const { message } = await failure(sts(refusal(code)).load, 'CREDENTIALS_REFUSED')
    assert.equal(message, `STS refused the web identity (${code})`)
  }
  assert.match((await failure(sts(refusal(`a ${TOKEN}`, 403)).load, 'CREDENTIALS_REFUSED')).message, /\(403\)$/)
})

test('an error that passes is asked away, three times at most', async () => {
  for (const passing of [refusal('Throttling'), refusal('IDPCommunicationError'), refusal('InternalFailure', 500), refusal('x', 429)]) {
    const { requests, load } = sts(passing, passing, {})
    assert.equal(revealed(await load()).accessKeyId, 'ASIASTS')
    assert.equal(requests.length, 3)
    const stubborn = sts(passing)
    await failure(stubborn.load, 'CREDENTIALS_REFUSED')
    assert.equal(stubborn.requests.length, 3)
  }
  const lasting = sts(refusal('InvalidIdentityToken'))
  await failure(lasting.load, 'CREDENTIALS_REFUSED')
  assert.equal(lasting.requests.length, 1)
})

test('an answer that lacks a field, or holds an entity in one, is refused', async () => {
  for (const name of ['AccessKeyId', 'SecretAccessKey', 'SessionToken', 'Expiration']) {
    await failure(sts({ body: ANSWER.replaceAll(name, 'Else') }).load, 'CREDENTIALS_INVALID')
    await failure(sts({ body: ANSWER.replace(`<${name}>`, `<${name}>&amp;`) }).load, 'CREDENTIALS_INVALID')
  }
  await failure(sts({ body: '' }).load, 'CREDENTIALS_INVALID')
})

test('without both variables there is nothing to ask; a token file that is gone or empty is an error', async () => {
  const { requests, load } = sts()
  await failure(() => load({ env: { AWS_ROLE_ARN: '' } }), 'CREDENTIALS_NOT_FOUND')
  await failure(() => load({ env: { AWS_WEB_IDENTITY_TOKEN_FILE: '' } }), 'CREDENTIALS_NOT_FOUND')
  assert.match((await failure(() => load({ env: { AWS_WEB_IDENTITY_TOKEN_FILE: '/gone' } }), 'CREDENTIALS_INVALID')).message, /ENOENT/)
  await failure(() => load({}, ' \n'), 'CREDENTIALS_INVALID')
  assert.equal(requests.length, 0)
})

const BASE: Credentials = { accessKeyId: 'AKIABASE', secretAccessKey: new Secret(secret('the secret of the base', 'basesecret')), sessionToken: new Secret('base-token') }
const SESSION = { roleArn: 'arn:aws:iam::111122223333:role/bedrock-user', sessionName: 'alice@example.com', durationS: 3600 }

/** The request, once its signature was found good by code that is not the signer's. */
function verified({ method, url, headers, body = '' }: HttpRequest, nowMs = NOW) {
  const received = { method, target: url.pathname, headers: Object.entries(headers), payloadHash: createHash('sha256').update(body).digest('hex') }
  return verifyRequest(received, (id) => (id === 'AKIABASE' ? 'basesecret' : undefined), { nowMs, maxSkewMs: 300_000, region: 'us-east-1' })
}

conformance('bedrock-contract', (folder) => {
  test('AssumeRole with tags and SourceIdentity is the form that the JS SDK sends', async () => {
    const cases = readJson<{ aws_credential_provider_requests_js: { case: string; requests: { body: { utf8: string } }[] }[] }>(folder, 'client-requests.json').aws_credential_provider_requests_js
    const sdk = cases.find(({ case: name }) => name.startsWith('AssumeRole with tags'))!.requests[0]!.body.utf8
    const { requests, http } = answering({ body: ANSWER })
    await assumeRole(world({ http }), { ...SESSION, sourceIdentity: 'alice@example.com', tags: [['team', 'ml platform'], ['sub', '00u1/ab:c']] }, BASE)
    // We send neither session policies nor transitive tags.
    assert.equal(requests[0]!.body, sdk.replace(/&PolicyArns[^&]*&Policy=[^&]*/, '').replace(/&TransitiveTagKeys[^&]*/, ''))
  })
})

function answering(...answers: readonly Partial<HttpAnswer>[]) {
  const requests: HttpRequest[] = []
  return { requests, http: async (request: HttpRequest): Promise<HttpAnswer> => ({ status: 200, body: ANSWER, ...answers[Math.min(requests.push(request), answers.length) - 1] }) }
}

test('AssumeRole is signed for sts with the credentials of who asks', async () => {
  const { requests, http } = answering({})
  assert.equal((await assumeRole(world({ http }), { ...SESSION, externalId: "it's" }, BASE)).accessKeyId, 'ASIASTS')
  const { sessionToken, service } = verified(requests[0]!)
  assert.deepEqual([sessionToken, service], ['base-token', 'sts'])
  assert.ok(requests[0]!.body!.endsWith('&ExternalId=it%27s'))
})

test('a clock that STS finds wrong is set, and the request signed once more', async () => {
  const date = new Date(NOW + 3_600_000).toUTCString()
  const { requests, http } = answering({ ...refusal('SignatureDoesNotMatch', 403), date }, {})
  assert.equal((await assumeRole(world({ http }), SESSION, BASE)).accessKeyId, 'ASIASTS')
  verified(requests[1]!, NOW + 3_600_000)
  const stubborn = answering({ ...refusal('SignatureDoesNotMatch', 403), date })
  assert.match((await failure(() => assumeRole(world({ http: stubborn.http }), SESSION, BASE), 'CREDENTIALS_REFUSED')).message, /^STS refused the role \(SignatureDoesNotMatch\)$/)
  assert.equal(stubborn.requests.length, 2)
})

test('the endpoint of a profile counts after that of the environment, and can be ignored', async () => {
  const config = '[default]\nendpoint_url = https://all.example\nservices = s\n[services s]\nsts =\n  endpoint_url = https://sts.example\nsso =\n  endpoint_url = https://sso.example\n'
  for (const [text, env, host] of [
    [config, {}, 'sts.example'],
    [config, { AWS_ENDPOINT_URL: 'https://env.example' }, 'env.example'],
    [config, { AWS_IGNORE_CONFIGURED_ENDPOINT_URLS: 'true' }, 'sts.us-east-1.amazonaws.com'],
    [config.replace('services = s', 'ignore_configured_endpoint_urls = true'), {}, 'sts.us-east-1.amazonaws.com'],
    [config.replace('services = s', ''), {}, 'all.example'],
    [config.replace('services = s', 'services = gone'), {}, 'all.example'],
  ] as const) {
    const { requests, http } = answering({})
    await assumeRole(world({ http, env, texts: { '/.aws/config': text } }), SESSION, BASE)
    assert.equal(requests[0]!.url.host, host)
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { containerUrl, fromContainer } from '../../src/credentials/container.ts'
import type { HttpRequest } from '../../src/credentials/http.ts'
import { secret } from '../kit/leaks.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { failure, revealed, world } from './kit.ts'

const ANSWER = { AccessKeyId: 'ASIATASK', SecretAccessKey: secret('the secret of the task', 'tasksecret'), Token: 'tasktoken', Expiration: '2026-03-01T18:00:00Z' }

conformance('aws-credentials', (folder) => {
  for (const { _name, env, result } of readJson<{ _name: string; env: Record<string, string>; result: { Ok?: string } }[]>(folder, 'open', 'ecs-tests.json')) {
    test(_name, async () => {
      if (result.Ok !== undefined) return assert.equal(containerUrl(env).href, result.Ok)
      await failure(() => { throw containerUrl(env) }, 'CREDENTIALS_NOT_FOUND')
    })
  }
})

const full = (url: string) => ({ AWS_CONTAINER_CREDENTIALS_FULL_URI: url })

test('without TLS only loopback and the agents of ECS and EKS are asked', async () => {
  for (const host of ['127.0.0.1', '127.255.0.9:80', '127.1', '[::1]:8080', 'localhost', 'LOCALHOST:1', '169.254.170.2', '169.254.170.23', '[fd00:ec2::23]', '[fd00:0ec2:0:0::23]']) {
    assert.ok(containerUrl(full(`http://${host}/x`)).protocol === 'http:', host)
  }
  for (const host of ['example.com', '128.0.0.1', '169.254.169.254', '169.254.170.20', '1127.0.0.1', '127.0.0.1.example.com', 'localhost.example.com', '[fd00:ec2::24]', '[::ffff:1.2.3.4]', '0.0.0.0']) {
    await failure(() => { throw containerUrl(full(`http://${host}/x`)) }, 'CREDENTIALS_INVALID')
  }
})

test('what is no web URL, or would send a password, is refused', async () => {
  for (const url of ['not a url', 'ftp://127.0.0.1/', 'file:///etc/passwd', 'https://user:pass@127.0.0.1/', 'https://user@example.com/', '/credentials']) {
    await failure(() => { throw containerUrl(full(url)) }, 'CREDENTIALS_INVALID')
  }
})

test('a relative URI cannot name another host', async () => {
  for (const relative of ['@example.com/', '.example.com/', ':80@example.com/', 'credentials']) {
    await failure(() => { throw containerUrl({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: relative }) }, 'CREDENTIALS_INVALID')
  }
  assert.equal(containerUrl({ AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '//example.com/x' }).host, '169.254.170.2')
})

function agent(body: unknown = ANSWER, status = 200) {
  const requests: HttpRequest[] = []
  const http = async (request: HttpRequest) => {
    requests.push(request)
    return { status, body: typeof body === 'string' ? body : JSON.stringify(body) }
  }
  return { requests, http }
}

const RELATIVE = { AWS_CONTAINER_CREDENTIALS_RELATIVE_URI: '/v2/x' }

test('the file of the authorization token goes before the variable, and is read anew each time', async () => {
  const { requests, http } = agent()
  const texts = { '/token': 'first' }
  const env = { ...RELATIVE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/token', AWS_CONTAINER_AUTHORIZATION_TOKEN: 'fixed' }
  const host = world({ texts, env, http })
  assert.deepEqual(revealed(await fromContainer(host)), { accessKeyId: 'ASIATASK', secretAccessKey: 'tasksecret', sessionToken: 'tasktoken', expiresMs: Date.parse(ANSWER.Expiration) })
  texts['/token'] = 'second'
  await fromContainer(host)
  await fromContainer({ ...host, env: { ...env, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '' } })
  await fromContainer({ ...host, env: RELATIVE })
  assert.deepEqual(requests.map(({ headers }) => headers), [{ authorization: 'first' }, { authorization: 'second' }, { authorization: 'fixed' }, {}])
})

test('a token that holds a line end, or nothing, is sent nowhere', async () => {
  const { requests, http } = agent()
  for (const token of ['a\r\nx: y', 'a\n', '', 'ü', 'a\0']) {
    await failure(() => fromContainer(world({ http, texts: { '/token': token }, env: { ...RELATIVE, AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE: '/token' } })), 'CREDENTIALS_INVALID')
  }
  await failure(() => fromContainer(world({ http, env: { ...RELATIVE, AWS_CONTAINER_AUTHORIZATION_TOKEN: 'a\r\nx: y' } })), 'CREDENTIALS_INVALID')
  assert.equal(requests.length, 0)
})

test('an answer that lacks a field, or is no JSON, is refused', async () => {
  const bodies = Object.keys(ANSWER).map((name) => ({ ...ANSWER, [name]: undefined }))
  for (const body of [...bodies, 'null', '[]', '"x"', '', '{', { ...ANSWER, Expiration: 'soon' }, { ...ANSWER, Token: 7 }, '{"AccessKeyId":"a","AccessKeyId":"b"}']) {
    await failure(() => fromContainer(world({ env: RELATIVE, http: agent(body).http })), 'CREDENTIALS_INVALID')
  }
})

test('any status but 200 is a refusal, a redirect too', async () => {
  for (const status of [201, 302, 400, 403, 404]) {
    const { message } = await failure(() => fromContainer(world({ env: RELATIVE, http: agent(ANSWER, status).http })), 'CREDENTIALS_REFUSED')
    assert.match(message, new RegExp(`answered ${status}$`))
  }
})

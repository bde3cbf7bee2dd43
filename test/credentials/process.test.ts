import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { commandWords, fromProcess, runProcess } from '../../src/credentials/process.ts'
import { ACCESS_KEY_ID, FakeBedrock, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { secret } from '../kit/leaks.ts'
import { startProxy, token } from '../kit/proxy.ts'
import { failure, revealed, world } from './kit.ts'

const KEYS = { Version: 1, AccessKeyId: 'ASIAPROC', SecretAccessKey: secret('the secret of a process', 'procsecret'), SessionToken: 't', Expiration: '2026-03-01T18:00:00Z' }
const folder = mkdtempSync(join(tmpdir(), 'process-'))
after(() => rmSync(folder, { recursive: true }))

/** A program of Node, and the command that runs it. */
function program(source: string): string {
  const path = join(folder, `${Math.random()}.mjs`)
  writeFileSync(path, source)
  return `'${process.execPath}' ${path}`
}

const load = (command: string, env: Record<string, string> = {}) => fromProcess(command, world({ run: runProcess, env: { PATH: process.env.PATH ?? '', ...env } }))
const printing = (value: unknown) => program(`process.stdout.write(${JSON.stringify(typeof value === 'string' ? value : JSON.stringify(value))})`)

test('what the program prints are the credentials, with or without token and expiration', async () => {
  assert.deepEqual(revealed(await load(printing(KEYS))), { accessKeyId: 'ASIAPROC', secretAccessKey: 'procsecret', sessionToken: 't', expiresMs: Date.parse('2026-03-01T18:00:00Z') })
  const { SessionToken, Expiration, ...lasting } = KEYS
  assert.deepEqual(revealed(await load(printing({ ...lasting, SessionToken: null }))), { accessKeyId: 'ASIAPROC', secretAccessKey: 'procsecret', sessionToken: undefined, expiresMs: undefined })
})

test('a command is split as a POSIX shell splits, and nothing of it is expanded', () => {
  for (const [command, words] of [
    ['helper', ['helper']],
    ['  helper\t--role  x ', ['helper', '--role', 'x']],
    [`a 'b c' "d e" f\\ g`, ['a', 'b c', 'd e', 'f g']],
    [`a'b'"c"\\d`, ['abcd']],
    [`'' ""`, ['', '']],
    [`"\\"\\\\\\n"`, ['"\\\\n']],
    [`'\\'`, ['\\']],
    ['$HOME `id` $(id) ~ * a;b|c >d & #e', ['$HOME', '`id`', '$(id)', '~', '*', 'a;b|c', '>d', '&', '#e']],
  ] as const) assert.deepEqual(commandWords(command), words, command)
})

test('a quote that is not closed is an error', async () => {
  for (const command of [`a 'b`, 'a "b', 'a\\', '"\\"']) await failure(async () => commandWords(command), 'CREDENTIALS_INVALID')
})

test('a program that fails, or prints something else, is an error that repeats nothing of it', async () => {
  for (const [command, code, why] of [
    [program(`process.stderr.write('procsecret'); process.exitCode = 3`), 'CREDENTIALS_REFUSED', /^credential_process ended with 3$/],
    [join(folder, 'gone'), 'CREDENTIALS_INVALID', /did not run \(ENOENT\)/],
    [program('process.kill(process.pid, "SIGTERM")'), 'CREDENTIALS_INVALID', /did not run \(killed\)/],
    [printing('procsecret'), 'CREDENTIALS_INVALID', /not JSON/],
    [printing({ ...KEYS, Version: 2 }), 'CREDENTIALS_INVALID', /not of Version 1/],
    [printing({ ...KEYS, Version: '1' }), 'CREDENTIALS_INVALID', /not of Version 1/],
    [printing({ ...KEYS, SecretAccessKey: undefined }), 'CREDENTIALS_INVALID', /secret access key/],
    [printing({ ...KEYS, Expiration: 'soon' }), 'CREDENTIALS_INVALID', /expiration/],
    [printing('x'.repeat(70_000)), 'CREDENTIALS_INVALID', /printed too much/],
  ] as const) assert.match((await failure(() => load(command), code)).message, why)
})

test('the program sees the environment, but not what is for the proxy alone', async () => {
  const command = program('process.stdout.write(JSON.stringify({ Version: 1, AccessKeyId: process.env.AWS_PROFILE ?? "none", SecretAccessKey: process.env.JWT__SECRET ?? "none" }))')
  assert.deepEqual(revealed(await load(command, { AWS_PROFILE: 'corp', JWT__SECRET: 'own' })), { accessKeyId: 'corp', secretAccessKey: 'none', sessionToken: undefined, expiresMs: undefined })
})

test('a program that hangs ends with the proxy', async () => {
  const closing = new AbortController()
  const running = runProcess([process.execPath, '-e', 'process.stdin.resume(); setInterval(() => {}, 1000)'], { PATH: '' }, closing.signal)
  closing.abort()
  await failure(() => running, 'CREDENTIALS_INVALID')
})

test('a program that takes too long is ended', async () => {
  const running = runProcess([process.execPath, '-e', 'setInterval(() => {}, 1000)'], { PATH: '' }, new AbortController().signal, 200)
  await failure(() => running, 'CREDENTIALS_TIMEOUT')
})

test('credential_process is run only where aws.allow_credential_process allows it', async () => {
  const bedrock = await FakeBedrock.start()
  const config = join(folder, 'config')
  writeFileSync(config, `[default]\ncredential_process = ${printing({ Version: 1, AccessKeyId: ACCESS_KEY_ID, SecretAccessKey: SECRET_ACCESS_KEY })}\n`)
  for (const [allowed, status] of [['true', 200], ['false', 503]] as const) {
    const proxy = await startProxy(bedrock, { AWS_ACCESS_KEY_ID: '', AWS_SECRET_ACCESS_KEY: '', AWS_CONFIG_FILE: config, AWS__ALLOW_CREDENTIAL_PROCESS: allowed })
    const line = proxy.nextRequestLine()
    const got = await ask('HTTP/1.1', proxy.port, '/model/m/converse', { headers: { authorization: `Bearer ${token()}` }, body: '{}' })
    assert.equal(got.status, status)
    const { detail } = await line
    if (status === 503) assert.match(String(detail), /profile: .*which aws\.allow_credential_process does not allow/)
    await proxy.stop()
  }
  await bedrock.close()
})

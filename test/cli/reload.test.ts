import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { appendFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as tlsConnect } from 'node:tls'
import { mint } from '../../src/cli/token.ts'
import { plainAnswer } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { secret as secretOf } from '../kit/leaks.ts'
import { JWT_SECRET } from '../kit/proxy.ts'
import { beginStreams, bedrock, serve } from './kit.ts'

test('SIGHUP takes new keys without dropping a request, and keeps the old ones where the new configuration is bad', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'reload-'))
  const file = join(folder, 'config.yaml')
  const write = (secret: string, more = '') => writeFileSync(file, `jwt: { secret: "${secret}" }\n${more}`, { mode: 0o600 })
  const [first, second] = [JWT_SECRET, secretOf('a second JWT secret', randomBytes(48).toString('base64'))]
  write(first)
  const program = serve({ JWT__SECRET: undefined }, ['--config', file])
  const port = await program.port()
  const status = async (secret: string) => (await ask('HTTP/1.1', port, '/model/x/invoke', { headers: { authorization: `Bearer ${mint({ sub: 'a' }, secret, 60, Date.now())}` }, body: '{}' })).status
  const { answers, finish } = await beginStreams(port, 2)
  bedrock.script = plainAnswer
  assert.deepEqual([await status(first), await status(second)], [200, 401])

  write(second, 'server: { prot: 1 }\n')
  program.child.kill('SIGHUP')
  await program.line(/the configuration is not reloaded.*did you mean port\?/)
  assert.deepEqual([await status(first), await status(second)], [200, 401])

  write(second, 'server: { max_body: 1MB }\n')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  await program.line(/"msg":"an option waits for a restart","option":"server.max_body"/)
  assert.deepEqual([await status(first), await status(second)], [401, 200])
  finish()
  for (const got of await Promise.all(answers)) assert.equal(got.complete, true)
  rmSync(folder, { recursive: true })
})

test('SIGHUP takes another level of the log, not another format', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'level-'))
  const file = join(folder, 'config.yaml')
  const write = (logging: string) => writeFileSync(file, `logging: { ${logging} }\n`)
  write('level: info')
  const program = serve({ LOGGING__LEVEL: undefined }, ['--config', file])
  const port = await program.port()
  const refused = async (path: string) => void await ask('HTTP/1.1', port, path)
  const shown = (path: string) => program.stdout.some((line) => line.includes('"msg":"request"') && line.includes(path))
  await refused('/model/first/invoke')
  await program.line(/"model":"first"/)
  write('level: warn, format: text')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"an option waits for a restart","option":"logging.format"/)
  await refused('/model/second/invoke')
  // Once this is answered, the turn in which the one before was told of is over.
  await refused('/model/another/invoke')
  write('level: info')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  await refused('/model/third/invoke')
  await program.line(/"model":"third"/)
  assert.deepEqual(['first', 'second', 'third'].map((model) => shown(`"model":"${model}"`)), [true, false, true])
  rmSync(folder, { recursive: true })
})

test('SIGHUP shows a renewed certificate to those who connect from then on; a key that does not fit is refused', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'certificate-'))
  const [certFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const make = (name: string, key = keyFile) => execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', key, '-out', certFile, '-subj', `/CN=${name}`, '-days', '2'], { stdio: 'ignore' })
  const shown = () => new Promise<string>((resolve, reject) => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    }).on('error', reject)
  })
  make('first')
  const program = serve({ SERVER__TLS__CERT_FILE: certFile, SERVER__TLS__KEY_FILE: keyFile })
  const port = await program.port()
  assert.equal(await shown(), 'first')
  make('other', join(folder, 'elsewhere.pem'))
  program.child.kill('SIGHUP')
  await program.line(/are not a certificate and its private key in PEM/)
  assert.equal(await shown(), 'first')
  make('torn')
  appendFileSync(certFile, '-----BEGIN CERTIFICATE-----\nbm90IGEgY2VydGlmaWNhdGU=\n-----END CERTIFICATE-----\n')
  program.child.kill('SIGHUP')
  while (program.stdout.filter((line) => line.includes('not a certificate')).length < 2) await nextTurn()
  assert.equal(await shown(), 'first')
  make('second')
  program.child.kill('SIGHUP')
  await program.line(/"msg":"reloaded"/)
  assert.equal(await shown(), 'second')
  rmSync(folder, { recursive: true })
})

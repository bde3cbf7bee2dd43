import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { appendFileSync, copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { connect as connectH2 } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls'
import { FakeBedrock } from '../kit/bedrock.ts'
import { type Protocol, PROTOCOLS } from '../kit/client.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv } from '../kit/proxy.ts'
import { closeOf, TOKEN } from './kit.ts'

const folder = mkdtempSync(join(tmpdir(), 'clients-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string) => join(folder, name)
const openssl = (...args: string[]) => execFileSync('openssl', args, { stdio: 'ignore' })
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes']

function authority(name: string): void {
  openssl('req', '-x509', ...NEW_KEY, '-days', '2', '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.pem`))
}

/** A certificate with its key that an authority has signed; `days` below zero: it has expired. */
function signed(name: string, by: string, days = 2): { readonly cert: Buffer; readonly key: Buffer } {
  openssl('req', '-new', ...NEW_KEY, '-subj', `/CN=${name}`, '-keyout', file(`${name}.key`), '-out', file(`${name}.csr`))
  openssl('x509', '-req', '-in', file(`${name}.csr`), '-CA', file(`${by}.pem`), '-CAkey', file(`${by}.key`), '-set_serial', '7', '-days', String(days), '-out', file(`${name}.pem`))
  return { cert: readFileSync(file(`${name}.pem`)), key: readFileSync(file(`${name}.key`)) }
}

for (const name of ['ours', 'theirs', 'localhost']) authority(name)
const ALICE = signed('alice', 'ours')
const MALLORY = signed('mallory', 'theirs')
const LATE = signed('late', 'ours', -1)
const SELF_SIGNED = { cert: readFileSync(file('theirs.pem')), key: readFileSync(file('theirs.key')) }
copyFileSync(file('ours.pem'), file('clients.pem'))

const WAIT = { timeout: 30_000 }
const bedrock = await FakeBedrock.start()
after(() => bedrock.close())
const TLS = { SERVER__TLS__CERT_FILE: file('localhost.pem'), SERVER__TLS__KEY_FILE: file('localhost.key'), SERVER__TLS__CLIENT_CA_FILE: file('clients.pem') }
const program = new Program(['serve'], proxyEnv(bedrock, TLS))
after(() => program.child.kill('SIGKILL'))
const port = await program.port()

const secure = (options: ConnectionOptions): TLSSocket => connectTls({ port, host: '127.0.0.1', servername: 'localhost', ca: readFileSync(file('localhost.pem')), ...options })

/** The status of an answer; `undefined` where the connection ended without one. */
function ask(protocol: Protocol, own: ConnectionOptions, authorization = `Bearer ${TOKEN}`): Promise<number | undefined> {
  return protocol === 'HTTP/2' ? askH2(own, authorization) : askH1(own, authorization)
}

function askH1(own: ConnectionOptions, authorization: string): Promise<number | undefined> {
  return new Promise((resolve) => {
    const sent = request({ method: 'POST', path: '/model/mtls/invoke', headers: { authorization, connection: 'close' }, createConnection: () => secure(own) }, (response) => {
      response.resume().on('end', () => resolve(response.statusCode))
    })
    sent.on('error', () => resolve(undefined)).end('{}')
  })
}

async function askH2(own: ConnectionOptions, authorization: string): Promise<number | undefined> {
  const session = connectH2('https://localhost', { createConnection: () => secure({ ALPNProtocols: ['h2'], ...own }) }).on('error', () => undefined)
  const stream = session.request({ ':method': 'POST', ':path': '/model/mtls/invoke', authorization })
  let status: number | undefined
  stream.on('response', (headers) => { status = headers[':status'] }).resume().end('{}')
  await closeOf(stream)
  session.destroy()
  return status
}

for (const protocol of PROTOCOLS) {
  describe(`with authorities of clients, over ${protocol}`, { concurrency: true }, () => {
    for (const [name, own] of [
      ['no certificate', {}], ['a certificate of another authority', MALLORY], ['an expired certificate', LATE], ['a certificate signed by itself', SELF_SIGNED],
    ] as const) {
      for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
        test(`${name} opens nothing, token or not (${version})`, WAIT, async () => {
          const before = bedrock.seen.length
          assert.equal(await ask(protocol, { ...own, minVersion: version, maxVersion: version }), undefined)
          assert.equal(bedrock.seen.length, before)
        })
      }
    }
  })

  test(`a certificate of the authority is served over ${protocol}, and needs its token all the same`, WAIT, async () => {
    assert.equal(await ask(protocol, ALICE), 200)
    assert.equal(await ask(protocol, ALICE, 'Bearer a.b.c'), 401)
  })
}

test('each refused handshake is one line in the log, with its address and why', () => {
  const handshakes = program.stdout.map((line) => JSON.parse(line) as Record<string, unknown>).filter(({ msg }) => msg === 'handshake')
  const counts = new Map<unknown, number>()
  for (const { source, detail } of handshakes) {
    assert.equal(source, '127.0.0.1')
    counts.set(detail, (counts.get(detail) ?? 0) + 1)
  }
  assert.deepEqual(counts, new Map([
    ['ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE', 4], ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 4], ['CERT_HAS_EXPIRED', 4], ['DEPTH_ZERO_SELF_SIGNED_CERT', 4],
  ]))
})

/** Has the authorities read again. */
async function reload(pem: Buffer | string, expected: RegExp): Promise<void> {
  const before = program.stdout.length
  writeFileSync(file('clients.pem'), pem)
  program.child.kill('SIGHUP')
  while (!program.stdout.slice(before).some((line) => expected.test(line))) await nextTurn()
}

test('after SIGHUP the other authority opens and the old one does not, not even to who resumes a session', WAIT, async () => {
  const socket = secure(ALICE)
  const [session] = await once(socket, 'session') as [Buffer]
  assert.equal(await ask('HTTP/1.1', { ...ALICE, session }), 200)
  await reload(readFileSync(file('theirs.pem')), /"msg":"reloaded"/)
  for (const protocol of PROTOCOLS) {
    assert.equal(await ask(protocol, MALLORY), 200)
    assert.equal(await ask(protocol, ALICE), undefined)
  }
  assert.equal(await ask('HTTP/1.1', { ...ALICE, session }), undefined)
  assert.equal(await ask('HTTP/1.1', { session }), undefined)
  socket.destroy()
})

test('SIGHUP keeps the old authorities where the file is empty, torn or no certificate', WAIT, async () => {
  appendFileSync(file('ours.pem'), '-----BEGIN CERTIFICATE-----\nbm90IG9uZQ==\n-----END CERTIFICATE-----\n')
  for (const bad of ['', readFileSync(file('ours.pem')), readFileSync(file('alice.key'))]) {
    await reload(bad, /not reloaded.*clients\.pem is not one certificate or more in PEM/)
    assert.deepEqual([await ask('HTTP/1.1', MALLORY), await ask('HTTP/1.1', ALICE)], [200, undefined])
  }
})

test('a bad file of authorities ends the start with 78', WAIT, async () => {
  const other = new Program(['serve'], proxyEnv(bedrock, { ...TLS, SERVER__TLS__CLIENT_CA_FILE: file('alice.key') }))
  assert.equal(await other.ended(), 78)
  assert.match(other.stderr.join('\n'), /server\.tls\.client_ca_file: .*alice\.key is not one certificate or more in PEM/)
})

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { createPublicKey, randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { KNOWN_ANSWERS as KNOWN, type KnownAnswers } from '../../src/cli/known-answers.ts'
import { type Host, outcomesOf } from '../../src/cli/selftest.ts'
import type { AlgorithmName } from '../../src/jwt/index.ts'
import { ROOT } from '../kit/command-line.ts'
import { Program } from '../kit/program.ts'

const HOST: Host = { env: {}, versions: { node: '26.0.0', openssl: '3.5.0' }, nowMs: KNOWN.nowMs, random: randomBytes, permission: undefined }
const IS_BINARY = process.env.BEDROCK_SSO_PROXY_BINARY !== undefined
const IS_OLD = !IS_BINARY && process.versions.node.startsWith('20.')

const claimsOf = (lines: readonly string[], mark: string) => lines.filter((line) => line.startsWith(`${mark} `)).map((line) => line.slice(8).split(':')[0])
const failed = (known: KnownAnswers, host = HOST, mustBeSealed = false) => outcomesOf(known, host, mustBeSealed).filter(([, problem]) => problem !== undefined).map(([claim]) => claim)

async function tested(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const program = new Program(['selftest', ...args], env)
  return { code: await program.ended(), lines: program.stdout, stderr: program.stderr }
}

test('selftest: every claim holds, a line for each; a binary is sealed, and says so when asked; Node 20 is the one thing wrong where it runs', async () => {
  const { code, lines, stderr } = await tested(IS_BINARY ? ['--sealed'] : [])
  assert.deepEqual(stderr, [])
  assert.deepEqual(claimsOf(lines, 'FAILED'), IS_OLD ? [`Node.js ${process.versions.node}, OpenSSL ${process.versions.openssl}`] : [])
  assert.equal(code, IS_OLD ? 1 : 0)
  assert.equal(claimsOf(lines, 'ok').length, outcomesOf(KNOWN, HOST, false).length + (IS_BINARY ? 8 : IS_OLD ? -1 : 0))
  assert.deepEqual(claimsOf(lines, 'off'), IS_BINARY ? [] : ['seal'])
})

test('selftest: a variable that serve refuses is named, and the end is 1', async () => {
  const { code, lines } = await tested([], { NODE_DEBUG: 'nothing' })
  assert.equal(code, 1)
  assert.ok(lines.includes('FAILED  environment: no variable that undoes a promise: NODE_DEBUG is set: it prints tokens and signatures; unset it'))
})

const JWT = KNOWN.tokens.map(([alg]) => `JWT ${alg}, and none with other claims or another signature`)
const refusal = (at: number) => `JWT refused: ${KNOWN.refused[at]![0]}`
const REQUEST = 'SigV4 of a request, and of none that was changed'
const EVENT = 'SigV4 of an event, and of none that was changed'
const FRAME = 'event stream: a message, and none with a byte changed'
const CHAIN = 'audit log: a chain, and none with a line changed, missing, moved or cut off'
const CIPHER = 'AES-256-GCM under a key of HKDF, and nothing that was changed is opened'
const COMPARISON = 'comparison in constant time tells any two bytes apart'
const ENVIRONMENT = 'environment: no variable that undoes a promise'
const CHANCE = 'chance does not repeat itself'
const CLOCK = 'clock: of this time'

const zeros = (hex: string) => hex.replace(/./g, '0')
/** With another token where one must be refused. */
function refusedBut(at: number, alg: AlgorithmName | 'none' = 'ES256', signatureOf: AlgorithmName = 'ES256', nowMs = KNOWN.nowMs): Partial<KnownAnswers> {
  const [what, , , , code] = KNOWN.refused[at]!
  return { refused: KNOWN.refused.with(at, [what, alg, signatureOf, nowMs, code]) }
}

/** What is wrong with the answers, and what must fail by that and nothing else. */
const WRONG: readonly (readonly [what: string, known: Partial<KnownAnswers>, claims: readonly string[]])[] = [
  ...KNOWN.digests.flatMap(([hash, digest, mac], at): readonly typeof WRONG[number][] => [
    [`another digest by ${hash}`, { digests: KNOWN.digests.with(at, [hash, zeros(digest), mac]) }, [`${hash} and HMAC with it`]],
    [`another HMAC by ${hash}`, { digests: KNOWN.digests.with(at, [hash, digest, zeros(mac)]) }, [`${hash} and HMAC with it`]],
  ]),
  ...KNOWN.tokens.map(([alg, signature], at): typeof WRONG[number] =>
    [`another signature by ${alg}`, { tokens: KNOWN.tokens.with(at, [alg, `A${signature.slice(1, -1)}A`]) }, [JWT[at]!, ...alg === 'ES256' ? [refusal(3)] : []]]),
  // Nothing is changed, so all of it is accepted.
  ['no change where one should be refused', { flip: 0 }, [CIPHER, COMPARISON, ...JWT, EVENT, FRAME, CHAIN]],
  ['a good token for none', refusedBut(0), [refusal(0)]],
  ['a good token for HS256', refusedBut(1), [refusal(1)]],
  ['a good token for a mixture', refusedBut(2), [refusal(2)]],
  ['a good token for an expired one', refusedBut(3), [refusal(3)]],
  ['one that is refused for another reason', refusedBut(3, 'none'), [refusal(3)]],
  ['a call that is not changed', { changes: [['nothing', {}, 'SIGV4_MISMATCH']] }, [REQUEST]],
  ['another signature of the request', { requestSignature: zeros(KNOWN.requestSignature) }, [REQUEST, EVENT]],
  ['another signature of the event', { messageSignature: zeros(KNOWN.messageSignature) }, [EVENT]],
  ['another payload', { payload: '{}' }, [FRAME]],
  ['another CRC', { message: `${KNOWN.message.slice(0, -2)}00` }, [EVENT, FRAME]],
  ['another order of lines', { lines: KNOWN.lines.toReversed() }, [CHAIN]],
  ['another head', { head: zeros(KNOWN.head) }, [CHAIN]],
  ['another text under the cipher', { sealed: Buffer.alloc(90).toString('base64url') }, [CIPHER]],
  ['a variable that nobody refuses', { forbidden: ['HOME'] }, [ENVIRONMENT]],
  ['a clock of another time', { clock: [0, 1] }, [CLOCK]],
]

for (const [what, wrong, claims] of WRONG) {
  test(`selftest: with ${what} in the answers these fail and no others: ${claims.length < 4 ? claims.join('; ') : `${claims.length} of them`}`, () => {
    assert.deepEqual(failed({ ...KNOWN, ...wrong }), claims)
  })
}

test('selftest: an old Node, a clock that was never set, chance that is none, and an unsealed program that should be sealed, fail', () => {
  assert.deepEqual(failed(KNOWN, { ...HOST, versions: { node: '20.19.0', openssl: '3.0.0' } }), ['Node.js 20.19.0, OpenSSL 3.0.0'])
  for (const nowMs of [0, Number.NaN, KNOWN.nowMs * 10]) assert.deepEqual(failed(KNOWN, { ...HOST, nowMs }), [CLOCK])
  assert.deepEqual(failed(KNOWN, { ...HOST, random: (bytes) => Buffer.alloc(bytes) }), [CHANCE])
  assert.deepEqual(failed(KNOWN, HOST, true), ['seal: the permission model of Node is off'])
})

test('selftest: each claim was seen to fail, here or above', () => {
  const seen = new Set([...WRONG.flatMap(([, , claims]) => claims), CHANCE, 'Node.js 26.0.0, OpenSSL 3.5.0'])
  assert.deepEqual(outcomesOf(KNOWN, HOST, false).map(([claim]) => claim).filter((claim) => !seen.has(claim)), [])
})

const SEAL = ['starts a process (tried)', 'reads elsewhere (tried)', 'writes elsewhere (tried)', ...['starts a worker', 'loads native code', 'opens a debugger', 'runs WASI', 'calls foreign functions'].map((what) => `${what} (as Node says)`)]
const GRANTS = ['--allow-child-process', '--allow-fs-read=*', '--allow-fs-write=*', '--allow-worker', '--allow-addons', '--allow-inspector', '--allow-wasi', '--allow-ffi']
const isKnown = (grant: string) => process.allowedNodeEnvironmentFlags.has(grant.split('=')[0]!)
const canSeal = Number(process.versions.node.split('.')[0]) >= 24 ? {} : { skip: `Node ${process.versions.node} has no permission model to rely on` }

function sealedBy(grants: readonly string[]): { readonly status: number | null; readonly lines: readonly string[] } {
  const { status, stdout } = spawnSync(process.execPath, ['--permission', `--allow-fs-read=${ROOT}/*`, ...grants, 'bin/bedrock-sso-proxy.ts', 'selftest', '--sealed'], { cwd: ROOT, encoding: 'utf8', env: {} })
  return { status, lines: stdout.trimEnd().split('\n').filter((line) => line.includes('seal: ')) }
}

test('selftest: under the permission model the seal holds', canSeal, () => {
  assert.deepEqual(sealedBy([]), { status: 0, lines: SEAL.map((what) => `ok      seal: nothing ${what}`) })
})

test('selftest: whatever is granted is missing from the seal', canSeal, () => {
  const { status, lines } = sealedBy(GRANTS.filter(isKnown))
  assert.equal(status, 1)
  assert.deepEqual(lines.map((line) => line.split(':').slice(0, 2).join(':')), SEAL.map((what, at) => `${isKnown(GRANTS[at]!) ? 'FAILED' : 'ok    '}  seal: nothing ${what}`))
})

const folder = mkdtempSync(join(tmpdir(), 'selftest-'))
after(() => rmSync(folder, { recursive: true }))

/** What the program of that name says, which shares no line with Node's binding. */
function openssl(args: readonly string[], input: string | Uint8Array): Buffer {
  const { status, stdout, stderr } = spawnSync('openssl', args, { input })
  assert.equal(status, 0, String(stderr))
  return stdout
}

const hmac = (hash: string, key: string | Uint8Array, text: string | Uint8Array) => openssl(['dgst', `-${hash}`, '-mac', 'HMAC', '-macopt', `hexkey:${Buffer.from(key).toString('hex')}`, '-binary'], text)
const sha256 = (text: string | Uint8Array) => openssl(['dgst', '-sha256', '-binary'], text).toString('hex')

test('the known answers: OpenSSL has the same digests, and deciphers the same text', () => {
  for (const [hash, digest, mac] of KNOWN.digests) {
    assert.equal(openssl(['dgst', `-${hash}`, '-binary'], KNOWN.text).toString('hex'), digest)
    assert.equal(hmac(hash, KNOWN.secret, KNOWN.text).toString('hex'), mac)
  }
  const sealed = Buffer.from(KNOWN.sealed, 'base64url')
  const kdf = ['kdf', '-keylen', '32', '-kdfopt', 'digest:SHA256', '-kdfopt', `hexkey:${Buffer.from(KNOWN.secret).toString('hex')}`, '-kdfopt', 'info:selftest', '-binary', 'HKDF']
  // GCM is CTR that begins at 2, and a tag.
  const enc = ['enc', '-d', '-aes-256-ctr', '-K', openssl(kdf, '').toString('hex'), '-iv', `${sealed.toString('hex', 0, 12)}00000002`]
  assert.equal(openssl(enc, sealed.subarray(12, -16)).toString(), KNOWN.text)
})

/** Two numbers side by side as DER has them. */
function derOf(signature: Buffer): Buffer {
  const half = signature.length / 2
  const integer = (bytes: Buffer) => {
    const first = bytes.findIndex((byte) => byte !== 0)
    const body = bytes[first]! < 0x80 ? bytes.subarray(first) : Buffer.concat([Buffer.from([0]), bytes.subarray(first)])
    return Buffer.concat([Buffer.from([2, body.length]), body])
  }
  const body = Buffer.concat([integer(signature.subarray(0, half)), integer(signature.subarray(half))])
  return Buffer.concat([Buffer.from(body.length < 0x80 ? [0x30, body.length] : [0x30, 0x81, body.length]), body])
}

const CURVES: Readonly<Record<string, string>> = { RS: 'RSA', PS: 'RSA', Ed: 'Ed25519', ES256: 'P-256', ES384: 'P-384', ES512: 'P-521' }

for (const [alg, encoded] of KNOWN.tokens) {
  test(`the known answers: OpenSSL takes the token by ${alg}`, () => {
    const signature = Buffer.from(encoded, 'base64url')
    const input = [JSON.stringify({ alg }), KNOWN.claims].map((part) => Buffer.from(part).toString('base64url')).join('.')
    const hash = `sha${alg.slice(2)}`
    if (alg.startsWith('HS')) return assert.deepEqual(hmac(hash, KNOWN.secret, input), signature)
    const [name, file, text] = [join(folder, 'key'), join(folder, 'signature'), join(folder, 'text')]
    const jwk = KNOWN.jwks.find(({ kty, crv }) => [kty, crv].includes(CURVES[alg] ?? CURVES[alg.slice(0, 2)]!))!
    writeFileSync(name, createPublicKey({ key: jwk, format: 'jwk' }).export({ type: 'spki', format: 'pem' }))
    writeFileSync(file, alg.startsWith('ES') ? derOf(signature) : signature)
    writeFileSync(text, input)
    const pss = alg.startsWith('PS') ? ['-sigopt', 'rsa_padding_mode:pss', '-sigopt', 'rsa_pss_saltlen:digest'] : []
    const args = alg === 'EdDSA' ? ['pkeyutl', '-verify', '-pubin', '-inkey', name, '-rawin', '-in', text, '-sigfile', file] : ['dgst', `-${hash}`, '-verify', name, ...pss, '-signature', file, text]
    openssl(args, '')
  })
}

test('the known answers: OpenSSL signs the request, the event and the lines of the log alike', () => {
  const { host, body } = KNOWN.request
  const date = new Date(KNOWN.nowMs).toISOString().replace(/[-:]|\.\d+/g, '')
  const scope = `${date.slice(0, 8)}/us-east-1/bedrock/aws4_request`
  const key = scope.split('/').reduce<Buffer>((before, part) => hmac('sha256', before, part), Buffer.from(`AWS4${KNOWN.secret}`))
  const canonical = [
    'POST', '/model/selftest-v1%253A0/invoke', '', 'content-type:application/json', `host:${host}`, `x-amz-date:${date}`, 'x-amz-security-token:selftest', '',
    'content-type;host;x-amz-date;x-amz-security-token', sha256(body),
  ].join('\n')
  assert.equal(hmac('sha256', key, ['AWS4-HMAC-SHA256', date, scope, sha256(canonical)].join('\n')).toString('hex'), KNOWN.requestSignature)
  const header = Buffer.concat([Buffer.from('\x05:date\x08', 'latin1'), Buffer.from(KNOWN.nowMs.toString(16).padStart(16, '0'), 'hex')])
  const event = ['AWS4-HMAC-SHA256-PAYLOAD', date, scope, KNOWN.requestSignature, sha256(header), sha256(Buffer.from(KNOWN.message, 'hex'))].join('\n')
  assert.equal(hmac('sha256', key, event).toString('hex'), KNOWN.messageSignature)
  for (const line of KNOWN.lines) {
    const [text, hash] = line.slice(0, -2).split(',"hash":"')
    assert.equal(hmac('sha256', KNOWN.secret, text!).toString('hex'), hash)
  }
})

test('the known answers: CRCs of the message, reckoned bit by bit', () => {
  const crc = (bytes: Buffer) => {
    let rest = -1
    for (const byte of bytes) {
      rest ^= byte
      for (let bit = 0; bit < 8; bit++) rest = rest & 1 ? (rest >>> 1) ^ 0xedb88320 : rest >>> 1
    }
    return ~rest >>> 0
  }
  const message = Buffer.from(KNOWN.message, 'hex')
  assert.equal(crc(message.subarray(0, 8)), message.readUInt32BE(8))
  assert.equal(crc(message.subarray(0, -4)), message.readUInt32BE(message.length - 4))
})

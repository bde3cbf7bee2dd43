import { spawnSync } from 'node:child_process'
import { createDecipheriv, createHmac, createSecretKey, hash, hkdfSync, randomBytes, timingSafeEqual } from 'node:crypto'
import { readdirSync, rmdirSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { verifyLines } from '../audit/index.ts'
import { decodeMessage, encodeMessage } from '../eventstream/index.ts'
import { ALGORITHMS, keySetFromSecret, parseJwkSet, verify } from '../jwt/index.ts'
import { dateHeader, EventSigner, sign, signatureOf, SigningKeys, verifyEvent, verifyRequest } from '../sigv4/index.ts'
import type { Command, Terminal } from './command.ts'
import { environmentProblems, isEndOfLife } from './gate.ts'
import { KNOWN_ANSWERS, type KnownAnswers, type SignedCall } from './known-answers.ts'

/** What is looked at besides the program itself. */
export interface Host extends Pick<Terminal, 'env' | 'versions'> {
  readonly nowMs: number
  readonly random: (bytes: number) => Buffer
  /** The permission model of Node, where it is on. */
  readonly permission: { has(scope: string): boolean } | undefined
}

/** A claim, and why it does not hold. */
export type Outcome = readonly [claim: string, problem: string | undefined]

export const selftest: Command = {
  usage: 'selftest [--sealed]',
  text: 'holds this program, as it runs here, against known answers (algorithms, tokens, signatures, audit log), and looks at environment, clock and seal; asks nobody, and ends with 1 where something fails; --sealed: where there is no seal, too',
  run(args, { env, versions, stdout }) {
    const { values } = parseArgs({ args: [...args], options: { sealed: { type: 'boolean', default: false } } })
    const { permission } = process
    const outcomes = outcomesOf(KNOWN_ANSWERS, { env, versions, permission, nowMs: Date.now(), random: randomBytes }, values.sealed)
    for (const [claim, problem] of outcomes) stdout.write(problem === undefined ? `ok      ${claim}\n` : `FAILED  ${claim}: ${problem}\n`)
    if (permission === undefined && !values.sealed) stdout.write(`off     ${UNSEALED}\n`)
    return Promise.resolve(outcomes.every(([, problem]) => problem === undefined) ? 0 : 1)
  },
}

/** All claims. Nothing is written, connected to or started, whether they hold or not. */
export function outcomesOf(known: KnownAnswers, host: Host, mustBeSealed: boolean): readonly Outcome[] {
  const checks = [...primitives(known), ...tokens(known), ...signatures(known), ...records(known), ...surroundings(known, host), ...seal(host, mustBeSealed)]
  return checks.map(([claim, check]) => [claim, problemOf(check)])
}

/** Throws where the claim does not hold. */
type Check = readonly [claim: string, check: () => void]

const primitives = ({ text, secret, flip, digests, sealed }: KnownAnswers): readonly Check[] => [
  ...digests.map(([name, digest, mac]): Check => [`${name} and HMAC with it`, () => {
    same(hash(name, text), digest, 'digest')
    same(createHmac(name, createSecretKey(secret, 'utf8')).update(text).digest('hex'), mac, 'HMAC')
  }]),
  ['AES-256-GCM under a key of HKDF, and nothing that was changed is opened', () => {
    const open = (bytes: Buffer) => {
      const decipher = createDecipheriv('aes-256-gcm', Buffer.from(hkdfSync('sha256', secret, '', 'selftest', 32)), bytes.subarray(0, 12))
      decipher.setAAD(Buffer.from('selftest')).setAuthTag(bytes.subarray(-16))
      return Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]).toString()
    }
    const bytes = Buffer.from(sealed, 'base64url')
    same(open(bytes), text, 'text')
    for (const at of bytes.keys()) refused('', `byte ${at} changed`, () => open(flipped(bytes, at, flip)))
  }],
  ['comparison in constant time tells any two bytes apart', () => {
    const bytes = Buffer.from(text)
    same(timingSafeEqual(bytes, Buffer.from(text)), true, 'answer for the same')
    for (const at of bytes.keys()) same(timingSafeEqual(bytes, flipped(bytes, at, flip)), false, 'answer for others')
  }],
]

function tokens({ jwks, secret, flip, nowMs, claims, tokens, refused: bad }: KnownAnswers): readonly Check[] {
  const publicKeys = () => parseJwkSet(JSON.stringify({ keys: jwks }))
  const secrets = () => keySetFromSecret(Buffer.from(secret))
  const accept = (keys: typeof publicKeys, parts: readonly Uint8Array[], atMs = nowMs) =>
    verify(parts.map((part) => Buffer.from(part).toString('base64url')).join('.'), { keys: keys(), algorithms: ALGORITHMS }, atMs / 1000)
  const partsOf = (alg: string, signature = '') => [Buffer.from(JSON.stringify({ alg })), Buffer.from(claims), Buffer.from(signature, 'base64url')] as const
  return [
    ...tokens.map(([alg, signature]): Check => [`JWT ${alg}, and none with other claims or another signature`, () => {
      const keys = alg.startsWith('HS') ? secrets : publicKeys
      const [header, payload, signed] = partsOf(alg, signature)
      accept(keys, [header, payload, signed])
      refused('JWT_SIGNATURE_INVALID', 'other claims', () => accept(keys, [header, flipped(payload, 0, flip), signed]))
      refused('JWT_SIGNATURE_INVALID', 'another signature', () => accept(keys, [header, payload, flipped(signed, signed.length - 1, flip)]))
    }]),
    ...bad.map(([what, alg, signatureOf, atMs, code]): Check => [`JWT refused: ${what}`, () =>
      refused(code, 'it', () => accept(publicKeys, partsOf(alg, tokens.find(([name]) => name === signatureOf)?.[1]), atMs))]),
  ]
}

const SCOPE = { region: 'us-east-1', service: 'bedrock' }

const signatures = ({ request, requestSignature, changes, message, messageSignature, nowMs, secret, flip }: KnownAnswers): readonly Check[] => [
  ['SigV4 of a request, and of none that was changed', () => {
    const headersOf = ({ host }: SignedCall) => [['host', host], ['content-type', 'application/json']] as const
    const toSign = { method: 'POST', path: request.path, query: [], headers: headersOf(request), payloadHash: hash('sha256', request.body) }
    const signed = sign(toSign, { accessKeyId: 'AKIDSELFTEST', secretAccessKey: secret, sessionToken: 'selftest' }, SCOPE, nowMs, new SigningKeys())
    same(signatureOf(signed), requestSignature, 'signature')
    const accept = (call: SignedCall) => verifyRequest(
      { method: 'POST', target: call.path, headers: [...headersOf(call), ...signed], payloadHash: hash('sha256', call.body) }, () => call.secret, { ...SCOPE, nowMs: call.nowMs, maxSkewMs: 300_000 })
    accept(request)
    for (const [what, change, code] of changes) refused(code, what, () => accept({ ...request, ...change }))
  }],
  ['SigV4 of an event, and of none that was changed', () => {
    const payload = Buffer.from(message, 'hex')
    const signature = new EventSigner(requestSignature, secret, SCOPE, new SigningKeys()).sign(nowMs, payload)
    same(signature.toString('hex'), messageSignature, 'signature')
    const accept = (bytes: Buffer) => verifyEvent({ dateHeader: dateHeader(nowMs), payload: bytes, signature, priorSignature: requestSignature }, secret, SCOPE, { nowMs, maxSkewMs: 0 })
    accept(payload)
    for (const at of payload.keys()) refused('SIGV4_MISMATCH', `byte ${at} changed`, () => accept(flipped(payload, at, flip)))
  }],
]

const records = ({ message, payload, lines, head, secret, flip }: KnownAnswers): readonly Check[] => [
  ['event stream: a message, and none with a byte changed', () => {
    const bytes = Buffer.from(message, 'hex')
    const decoded = decodeMessage(bytes)
    same(decoded.payload.toString(), payload, 'payload')
    same(encodeMessage(decoded).toString('hex'), message, 'encoding')
    // The headers of a frame are only read when asked for.
    for (const at of bytes.keys()) refused('EVENTSTREAM_', `byte ${at} changed`, () => decodeMessage(flipped(bytes, at, flip)).headers)
  }],
  ['audit log: a chain, and none with a line changed, missing, moved or cut off', () => {
    const bytes: readonly Buffer[] = lines.map((line) => Buffer.from(line))
    const problemsOf = (log: readonly Buffer[]) => verifyLines(log, { key: createSecretKey(secret, 'utf8'), head }).problemCount
    same(problemsOf(bytes), 0, 'number of problems')
    const changed = bytes.flatMap((line, n) => [...line.keys()].map((at) => bytes.with(n, flipped(line, at, flip))))
    for (const log of [...changed, ...bytes.map((_, n) => bytes.toSpliced(n, 1)), bytes.toReversed()]) same(problemsOf(log) > 0, true, 'answer for a worse one')
  }],
]

const surroundings = ({ forbidden, clock: [fromMs, toMs] }: KnownAnswers, { env, versions, nowMs, random }: Host): readonly Check[] => [
  ['environment: no variable that undoes a promise', () => {
    for (const name of forbidden) if (environmentProblems({ [name]: '1' }).length === 0) throw new Error(`${name} would be taken`)
    if (environmentProblems(env).length > 0) throw new Error(environmentProblems(env).join('; '))
  }],
  [`Node.js ${versions.node}, OpenSSL ${versions.openssl}`, () => {
    if (isEndOfLife(versions.node)) throw new Error('it no longer gets security fixes: use 24 or 26')
  }],
  ['chance does not repeat itself', () => same(new Set(Array.from({ length: 1000 }, () => random(16).toString('hex'))).size, 1000, 'number of draws')],
  ['clock: of this time', () => {
    if (!(nowMs >= fromMs && nowMs < toMs)) throw new Error(`it says ${new Date(nowMs).toISOString()}: synchronise it, tokens are judged by it`)
  }],
]

const UNSEALED = 'seal: the permission model of Node is off'
/** Where nothing is. */
const NOWHERE = '/nonexistent/selftest'
/** Tried; without a seal they do no harm either. */
const ATTEMPTS: readonly (readonly [what: string, attempt: () => unknown])[] = [
  ['starts a process', () => spawnSync(NOWHERE)],
  ['reads elsewhere', () => readdirSync('/')],
  ['writes elsewhere', () => rmdirSync(NOWHERE)],
]
/** What the program could not try without holding the means. */
const ASKED = [['starts a worker', 'worker'], ['loads native code', 'addon'], ['opens a debugger', 'inspector'], ['runs WASI', 'wasi'], ['calls foreign functions', 'ffi']] as const

function seal({ permission }: Host, mustBeSealed: boolean): readonly Check[] {
  if (permission === undefined) return mustBeSealed ? [[UNSEALED, () => { throw new Error('a sealed binary turns it on') }]] : []
  return [
    ...ATTEMPTS.map(([what, attempt]): Check => [`seal: nothing ${what} (tried)`, () => refused('ERR_ACCESS_DENIED', 'it', attempt)]),
    ...ASKED.map(([what, scope]): Check => [`seal: nothing ${what} (as Node says)`, () => same(permission.has(scope), false, 'answer')]),
  ]
}

function flipped(bytes: Uint8Array, at: number, flip: number): Buffer<ArrayBuffer> {
  const copy = Buffer.from(bytes)
  copy[at]! ^= flip
  return copy
}

function same(found: unknown, known: unknown, what: string): void {
  if (found !== known) throw new Error(`the ${what} is not the known one`)
}

function problemOf(check: () => void): string | undefined {
  try {
    check()
    return undefined
  } catch (error) {
    return (error as Error).message
  }
}

/** @param code - That of the error, or how it begins. */
function refused(code: string, what: string, act: () => unknown): void {
  let error: unknown
  try {
    act()
  } catch (thrown) {
    error = thrown
  }
  if (error === undefined) throw new Error(`${what} is accepted`)
  const found = String((error as NodeJS.ErrnoException).code)
  if (!found.startsWith(code)) throw new Error(`${what} is refused, but as ${found}`)
}

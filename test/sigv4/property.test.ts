import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import * as sigv4 from '../../src/sigv4/index.ts'
import { sha256 } from './case.ts'

/** Numbers that look random and are the same in every run, so that a failure can be had again. */
function* numbers(seed: string): Generator<number, never> {
  for (let block = 0; ; block++) {
    const bytes = createHash('sha256').update(`${seed}/${block}`).digest()
    for (let at = 0; at < 32; at += 4) yield bytes.readUInt32BE(at)
  }
}

class Random {
  readonly #numbers: Generator<number, never>
  constructor(seed: string) {
    this.#numbers = numbers(seed)
  }
  below(limit: number): number {
    return this.#numbers.next().value % limit
  }
  text(alphabet: string, maxLength: number): string {
    const chars = [...alphabet]
    return Array.from({ length: this.below(maxLength + 1) }, () => chars[this.below(chars.length)]).join('')
  }
  list<T>(maxLength: number, make: () => T): T[] {
    return Array.from({ length: this.below(maxLength + 1) }, make)
  }
}

const WIRE = 'abcXYZ019-._~%:@!$&\'()*+,;=[]|{}"<>\\^` '
const TEXT = `${WIRE}/?#\t\0\x7fé€😀\u2028`
const VALUE = 'abc  \t\t,;:="{}\xa0\xe9\xff~'
const TOKEN = 'abcXYZ019-_!#$%&\'*+.^`|~'

function randomRequest(random: Random): sigv4.SigningRequest {
  const name = (): string => `y${random.text(TOKEN, 8)}`
  return {
    method: ['GET', 'POST', 'DELETE'][random.below(3)] ?? '',
    path: `/${random.list(6, () => random.text(WIRE, 8)).join('/')}`,
    query: random.list(6, (): sigv4.Pair => [`y${random.text(TEXT, 5)}`, random.text(TEXT, 8)]),
    headers: [[random.below(2) === 0 ? 'Host' : ':authority', random.text(VALUE, 9)], ...random.list(8, (): sigv4.Pair => [name(), random.text(VALUE, 12)])],
    payloadHash: random.below(4) === 0 ? sigv4.STREAMING_EVENTS : sha256(`${random.below(9)}`),
    sendPayloadHash: random.below(2) === 0,
  }
}

test('whatever sign() signs, verifyRequest() accepts; with one part of it exchanged, it refuses', () => {
  const random = new Random('requests')
  const keys = new sigv4.SigningKeys(3)
  for (let round = 0; round < 1500; round++) {
    const request = randomRequest(random)
    const secret = random.text(TEXT, 40)
    const sessionToken = random.below(2) === 0 ? undefined : random.text(VALUE, 40)
    const scope = { region: `r${random.text(TOKEN.slice(0, 10), 5)}`, service: 'bedrock' }
    const dateMs = random.below(2 ** 32) * 900
    const added = sigv4.sign(request, { accessKeyId: 'AKID', secretAccessKey: secret, sessionToken }, scope, dateMs, keys)
    const query = sigv4.canonicalQuery(request.query)
    const received = { method: request.method, target: `${request.path}?${query}`, headers: [...added, ...request.headers], payloadHash: request.payloadHash }
    const verify = (change: Partial<sigv4.ReceivedRequest>, key = secret) => sigv4.verifyRequest({ ...received, ...change }, () => key, { nowMs: dateMs, maxSkewMs: 1000, ...scope })

    assert.equal(verify({}).signature, sigv4.signatureOf(added), JSON.stringify(request))
    assert.throws(() => verify({ target: `/z${received.target}` }), { code: 'SIGV4_MISMATCH' })
    assert.throws(() => verify({ target: `${received.target}&y` }), { code: 'SIGV4_MISMATCH' })
    assert.throws(() => verify({}, `${secret}x`), { code: 'SIGV4_MISMATCH' })
  }
})

test('whatever EventSigner signs, verifyEvent() follows in that order and no other', () => {
  const random = new Random('events')
  const scope = { region: 'us-east-1', service: 'bedrock' }
  const signer = new sigv4.EventSigner('', 'secret', scope, new sigv4.SigningKeys(2))
  let priorSignature = ''
  for (let round = 0; round < 500; round++) {
    const payload = Buffer.from(random.text(TEXT, 60))
    const dateMs = random.below(2 ** 32) * 1000 + random.below(1000)
    const event = { dateHeader: sigv4.dateHeader(dateMs), payload, signature: signer.sign(dateMs, payload) }
    const follow = (prior: string) => sigv4.verifyEvent({ ...event, priorSignature: prior }, 'secret', scope, { nowMs: dateMs, maxSkewMs: 0 })
    assert.throws(() => follow(sha256(priorSignature)), { code: 'SIGV4_MISMATCH' })
    priorSignature = follow(priorSignature)
  }
})

const LONG = 'a '.repeat(50_000)
const HOSTILE: readonly unknown[] = [
  undefined, null, true, 0, -1, 0.5, NaN, Infinity, 2 ** 60, 10n, Symbol('s'), () => 'f', '', '/', '\0', '\ud800', 'a\r\nb: c', '%', '%zz', '__proto__', LONG, `/${LONG}`,
  [], [[]], [['a']], ['ab'], [['a', 'b', 'c']], [[null, null]], {}, Object.create(null), { length: 2 }, { toString: 1 }, new Map(), new Uint8Array(15), new Uint8Array(32), new Date(NaN),
]

const SCOPE = { region: 'us-east-1', service: 'bedrock' }
const CREDENTIALS = { accessKeyId: 'AKID', secretAccessKey: 'secret', sessionToken: 'token' }
const REQUEST = { method: 'GET', path: '/', query: [['a', 'b']], headers: [['host', 'h']], payloadHash: sha256(''), sendPayloadHash: true }
const keys = new sigv4.SigningKeys()
const KEY = keys.get('secret', '20260314', SCOPE)
const ADDED = sigv4.sign({ ...REQUEST, query: [], headers: [['host', 'h']] }, CREDENTIALS, SCOPE, '20260314T150926Z', keys)
const RECEIVED = { method: 'GET', target: '/', headers: [['host', 'h'], ...ADDED], payloadHash: sha256('') }
const EXPECTED = { nowMs: 0, maxSkewMs: Infinity, ...SCOPE, normalizePath: true }
const EVENT = { dateHeader: sigv4.dateHeader(1), payload: new Uint8Array(), signature: new Uint8Array(32), priorSignature: '' }

/** Every public function, with arguments that are well. Each is replaced in turn, and each field of those that are objects. */
const DOORS: readonly (readonly [name: string, call: (...args: never[]) => unknown, args: readonly unknown[]])[] = [
  ['encodeUri', sigv4.encodeUri, ['a']],
  ['canonicalQuery', sigv4.canonicalQuery, [[['a', 'b']]]],
  ['canonicalPath', sigv4.canonicalPath, ['/']],
  ['normalizePath', sigv4.normalizePath, ['/']],
  ['canonicalHeaders', sigv4.canonicalHeaders, [[['a', 'b']]]],
  ['canonicalRequest', sigv4.canonicalRequest, [REQUEST, { block: '', signedHeaders: '' }]],
  ['amzDate', sigv4.amzDate, [0]],
  ['credentialScope', sigv4.credentialScope, ['20260314', SCOPE]],
  ['signingKey', sigv4.signingKey, ['secret', '20260314', SCOPE]],
  ['SigningKeys', (maxKeys: number) => new sigv4.SigningKeys(maxKeys), [1]],
  ['SigningKeys.get', (...args: Parameters<sigv4.SigningKeys['get']>) => new sigv4.SigningKeys().get(...args), ['secret', '20260314', SCOPE]],
  ['stringToSign', sigv4.stringToSign, ['20260314T150926Z', SCOPE, 'x']],
  ['signature', sigv4.signature, [KEY, 'x']],
  ['authorization', sigv4.authorization, ['AKID', '20260314T150926Z', SCOPE, 'host', 'x']],
  ['sign', sigv4.sign, [REQUEST, CREDENTIALS, SCOPE, 0, keys]],
  ['signatureOf', sigv4.signatureOf, [ADDED]],
  ['dateHeader', sigv4.dateHeader, [0]],
  ['eventStringToSign', sigv4.eventStringToSign, ['20260314T150926Z', SCOPE, '', new Uint8Array(), new Uint8Array()]],
  ['EventSigner', (seed: string, secret: string, scope: sigv4.Scope, dateMs: number, payload: Uint8Array) => new sigv4.EventSigner(seed, secret, scope, keys).sign(dateMs, payload), ['', 'secret', SCOPE, 0, new Uint8Array()]],
  ['verifyRequest', sigv4.verifyRequest, [RECEIVED, () => 'secret', EXPECTED]],
  ['verifyEvent', sigv4.verifyEvent, [EVENT, 'secret', SCOPE, EXPECTED]],
]

for (const [name, call, args] of DOORS) {
  test(`${name}() answers hostile values with SigV4Error, TypeError or a value, and nothing else`, () => {
    for (const changed of args.flatMap((arg, at) => replaced(arg).map((value) => args.with(at, value)))) {
      try {
        call(...(changed as never[]))
      } catch (error) {
        assert.ok(error instanceof sigv4.SigV4Error || error instanceof TypeError, `${name}: ${String(error)}`)
      }
    }
  })
}

/** Hostile values for an argument, and the argument with each of its fields hostile. */
function replaced(arg: unknown): unknown[] {
  if (arg === null || typeof arg !== 'object' || Array.isArray(arg) || Object.getPrototypeOf(arg) !== Object.prototype) return [...HOSTILE]
  return [...HOSTILE, ...Object.keys(arg).flatMap((field) => HOSTILE.map((value) => ({ ...arg, [field]: value })))]
}

test('no message of a SigV4Error holds what was refused', () => {
  const secret = 'hunter2'
  const refusals = [
    () => sigv4.canonicalPath(`/${secret}?`),
    () => sigv4.canonicalHeaders([['x', `${secret}\n`]]),
    () => sigv4.signingKey(secret, '20260314', { region: `${secret}/`, service: 's' }),
    () => sigv4.authorization(`${secret}/`, '20260314T150926Z', SCOPE, 'host', secret),
    () => sigv4.verifyRequest({ ...RECEIVED, headers: [['authorization', secret]] }, () => secret, EXPECTED),
  ]
  for (const refusal of refusals) assert.throws(refusal, (error) => error instanceof sigv4.SigV4Error && !`${error.message}${error.stack?.split('\n')[0]}`.includes(secret))
})

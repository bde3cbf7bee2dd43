import assert from 'node:assert/strict'
import { test } from 'node:test'
import { JwtError, parseClaims, parseCompact } from '../../src/jwt/index.ts'
import type { JwtErrorCode } from '../../src/jwt/index.ts'

const encode = (value: unknown): string => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')
const token = (header: unknown, claims: unknown = { sub: 'a' }): string => `${encode(header)}.${encode(claims)}.c2ln`
const HS = { alg: 'HS256' }

const refuses = (text: string, code: JwtErrorCode) =>
  assert.throws(() => parseClaims(parseCompact(text)), (error) => {
    assert.ok(error instanceof JwtError, String(error))
    assert.equal(error.code, code, text)
    return true
  })

test('parseCompact() takes a token apart and joins what is signed', () => {
  const text = token({ alg: 'RS256', kid: 'k' }, { sub: 'a' })
  const compact = parseCompact(text)
  assert.deepEqual(compact.header, { alg: 'RS256', kid: 'k' })
  assert.equal(compact.payload.toString(), '{"sub":"a"}')
  assert.equal(compact.signature.toString(), 'sig')
  assert.equal(compact.signingInput.toString(), text.slice(0, text.lastIndexOf('.')))
  assert.deepEqual(parseClaims(compact), { sub: 'a' })
})

test('parseCompact() looks at the size before anything else', () => {
  const large = token(HS, { pad: 'x'.repeat(8192) })
  refuses(large, 'JWT_TOO_LARGE')
  refuses('!'.repeat(8193), 'JWT_TOO_LARGE')
  refuses('!'.repeat(8192), 'JWT_MALFORMED')
  assert.doesNotThrow(() => parseCompact(large, large.length))
  assert.throws(() => parseCompact(large, large.length - 1), { code: 'JWT_TOO_LARGE' })
})

test('parseCompact() wants exactly three parts', () => {
  const [header, payload, signature] = token(HS).split('.') as [string, string, string]
  for (const parts of [[], [header], [header, payload], [header, payload, signature, ''], [header, payload, signature, 'YQ'],
    [header, payload, signature, 'YQ', 'YQ'], [header, payload, signature, 'YQ', 'YQ', 'YQ'], ['', header, payload, signature]]) {
    refuses(parts.join('.'), 'JWT_MALFORMED')
  }
  refuses(JSON.stringify({ protected: header, payload, signature }), 'JWT_MALFORMED')
})

test('parseCompact() knows one spelling of each part only', () => {
  const parts = [encode(HS), encode({ sub: 'ab' }), '_-8']
  assert.deepEqual([...parseCompact(parts.join('.')).signature], [0xff, 0xef])
  const respell: readonly ((part: string) => string)[] = [
    (part) => `${part}=`, (part) => `${part}==`, (part) => ` ${part}`, (part) => `${part} `, (part) => `${part}\n`, (part) => `${part}!`,
    (part) => `${part}\u0000`, (part) => `${part.slice(0, 1)}\r\n${part.slice(1)}`, (part) => `\ufeff${part}`,
  ]
  parts.forEach((part, index) => {
    for (const spell of respell) refuses(parts.with(index, spell(part)).join('.'), 'JWT_MALFORMED')
  })
  for (const signature of ['/+8', '_-9', '_-_', '_-8=', '_- 8', 'A', 'AB', 'AAAAA']) refuses([parts[0], parts[1], signature].join('.'), 'JWT_MALFORMED')
})

test('parseCompact() refuses headers that are not strict JSON objects', () => {
  for (const header of ['', 'null', '1', '"x"', '[]', '{}', '{"alg":"HS256"}x', '{"alg":"HS256",}', "{'alg':'HS256'}", '\ufeff{"alg":"HS256"}',
    '{"alg":"none","alg":"HS256"}', '{"alg":"HS256","\\u0061lg":"none"}', '{"alg":"HS256","x":"\\ud800"}', `{"alg":"HS256","x":${'['.repeat(99)}1${']'.repeat(99)}}`]) {
    refuses(token(header), 'JWT_MALFORMED')
  }
  const notUtf8 = Buffer.from('{"alg":"HS256","x":"\xff"}', 'latin1').toString('base64url')
  refuses(`${notUtf8}.${encode({})}.c2ln`, 'JWT_MALFORMED')
})

test('parseCompact() wants "alg" and "kid" to be strings', () => {
  for (const value of [null, 1, true, [], ['HS256'], {}]) {
    refuses(token({ alg: value }), 'JWT_MALFORMED')
    refuses(token({ alg: 'HS256', kid: value }), 'JWT_MALFORMED')
  }
  refuses(token('{"__proto__":{"alg":"HS256"}}'), 'JWT_MALFORMED')
})

test('parseCompact() refuses header parameters that change what the payload means', () => {
  for (const name of ['crit', 'b64', 'zip', 'enc']) {
    for (const value of [null, false, true, [], ['b64'], {}, 'DEF', 0]) refuses(token({ alg: 'HS256', [name]: value }), 'JWT_HEADER_UNSUPPORTED')
  }
  for (const cty of ['JWT', 'jwt', 'application/jwt']) refuses(token({ alg: 'HS256', cty }), 'JWT_HEADER_UNSUPPORTED')
  for (const typ of ['dpop+jwt', 'logout+jwt', 'JOSE', '', 'application/', 1, null, ['JWT']]) refuses(token({ alg: 'HS256', typ }), 'JWT_HEADER_UNSUPPORTED')
})

test('parseCompact() accepts the media types of access tokens, in any case, and parameters that it never reads', () => {
  for (const typ of ['JWT', 'jwt', 'at+jwt', 'AT+JWT', 'application/at+jwt', 'Application/JWT']) assert.doesNotThrow(() => parseCompact(token({ alg: 'HS256', typ })))
  const ignored = { jku: 'https://evil.example/', x5u: 'file:///etc/passwd', jwk: { kty: 'oct', k: '' }, x5c: ['x'], x5t: 1, epk: {}, cty: 'json' }
  assert.doesNotThrow(() => parseCompact(token({ alg: 'HS256', ...ignored })))
})

test('parseClaims() wants a strict JSON object', () => {
  for (const claims of ['', 'null', '1', '"x"', '[1]', '{"sub":"a","sub":"b"}', '{"exp":NaN}', '{"exp":1e999}', '\ufeff{}', '{} {}']) refuses(token(HS, claims), 'JWT_MALFORMED')
  const claims = parseClaims(parseCompact(token(HS, '{"__proto__":{"exp":1}}')))
  assert.equal(claims.exp, undefined)
})

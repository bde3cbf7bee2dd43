import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HttpError, type HttpErrorCode, presentedToken, requestFields } from '../../src/http/index.ts'

const token = (...raw: string[]) => presentedToken(requestFields(['Host', 'h', ...raw], '1.1'))
const refusal = (code: HttpErrorCode) => (error: unknown) => error instanceof HttpError && error.code === code
const SIGNED = 'AWS4-HMAC-SHA256 Credential=x/20260101/us-east-1/bedrock/aws4_request, SignedHeaders=host, Signature=00'

test('presentedToken() finds the token wherever clients can put it', () => {
  assert.equal(token('Authorization', 'Bearer a.b.c'), 'a.b.c')
  assert.equal(token('authorization', 'bEARER  a.b.c'), 'a.b.c')
  assert.equal(token('X-Api-Key', 'a.b.c'), 'a.b.c')
  assert.equal(token('Authorization', SIGNED, 'X-Amz-Security-Token', 'a.b.c'), 'a.b.c')
})

test('presentedToken() takes the same token given twice, and refuses two different ones', () => {
  assert.equal(token('Authorization', 'Bearer a.b.c', 'x-api-key', 'a.b.c'), 'a.b.c')
  assert.throws(() => token('Authorization', 'Bearer a.b.c', 'x-api-key', 'd.e.f'), refusal('HTTP_TWO_TOKENS'))
  assert.throws(() => token('x-amz-security-token', 'a.b.c', 'x-api-key', 'd.e.f'), refusal('HTTP_TWO_TOKENS'))
})

test('presentedToken() says when there is none', () => {
  assert.throws(() => token(), refusal('HTTP_NO_TOKEN'))
  assert.throws(() => token('Authorization', SIGNED), refusal('HTTP_NO_TOKEN'))
  assert.throws(() => token('Cookie', 'token=a.b.c'), refusal('HTTP_NO_TOKEN'))
  assert.throws(() => token('Proxy-Authorization', 'Bearer a.b.c'), refusal('HTTP_NO_TOKEN'))
})

test('presentedToken() refuses what is no bearer token, also beside a good one elsewhere', () => {
  const values = ['', 'Bearer', 'Bearer ', 'Basic dTpw', 'Bearer\ta.b.c', 'Bearer a.b.c, Bearer a.b.c', 'Bearer "a.b.c"', 'Bearer token="a.b.c"', 'Bearer a b', 'Bearer a.b.c\xff', 'Bearer =']
  for (const value of values) {
    assert.throws(() => token('Authorization', value), refusal('HTTP_MALFORMED_TOKEN'), value)
    assert.throws(() => token('Authorization', value, 'x-api-key', 'a.b.c'), (error) => error instanceof HttpError, value)
  }
  assert.throws(() => token('x-api-key', ''), refusal('HTTP_MALFORMED_TOKEN'))
})

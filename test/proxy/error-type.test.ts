import assert from 'node:assert/strict'
import { test } from 'node:test'
import { errorType } from '../../src/proxy/call.ts'
import { conformance, readJson } from '../kit/vectors.ts'

interface Case {
  readonly name: string
  readonly errorCode: string
  readonly response: { readonly headers: Readonly<Record<string, string>>; readonly body?: string }
}

conformance('aws-endpoints', (folder) => {
  for (const { name, errorCode, response: { headers, body } } of readJson<readonly Case[]>(folder, 'open', 'restjson-error-tests.json')) {
    test(name, () => {
      assert.equal(errorType(headers['X-Amzn-Errortype'], body === undefined ? undefined : Buffer.from(body)), errorCode)
    })
  }
})

test('the type of an error is known with a namespace before it and a URI behind it, in the header too', () => {
  assert.equal(errorType('aws.protocoltests.restjson#FooError:http://internal.amazon.com/coral/', undefined), 'FooError')
  assert.equal(errorType(undefined, Buffer.from('not JSON')), '')
})

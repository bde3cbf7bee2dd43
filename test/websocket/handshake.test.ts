import assert from 'node:assert/strict'
import { test } from 'node:test'
import { acceptKey, openingAnswer, readOpening, WebSocketError, type WebSocketErrorCode } from '../../src/websocket/index.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const GOOD = ['Host', 'h', 'Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Key', KEY, 'Sec-WebSocket-Version', '13']
const open = (...more: string[]) => readOpening({ method: 'GET', httpVersion: '1.1', fields: [...GOOD, ...more] })
const refused = (code: WebSocketErrorCode) => (error: unknown) => error instanceof WebSocketError && error.code === code

test('acceptKey() is the example of RFC 6455 §1.3', () => {
  assert.equal(acceptKey(KEY), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

test('readOpening() gives the key and the subprotocols of all lines, in their order', () => {
  assert.deepEqual(open('sec-websocket-protocol', 'bedrock, bearer.a.b-_c', 'SEC-WEBSOCKET-PROTOCOL', 'x'), { key: KEY, protocols: ['bedrock', 'bearer.a.b-_c', 'x'] })
  assert.deepEqual(open(), { key: KEY, protocols: [] })
})

test('openingAnswer() echoes one subprotocol that was offered, or none', () => {
  const opening = open('Sec-WebSocket-Protocol', 'a, b')
  const fields = ['Upgrade', 'websocket', 'Connection', 'Upgrade', 'Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=']
  assert.deepEqual(openingAnswer(opening, undefined), fields)
  assert.deepEqual(openingAnswer(opening, 'b'), [...fields, 'Sec-WebSocket-Protocol', 'b'])
  assert.throws(() => openingAnswer(opening, 'c'), TypeError)
})

test('readOpening() refuses subprotocols that are not different tokens', () => {
  for (const value of ['', ',', 'a,', 'a,,b', 'a b', 'a, a', 'a"', 'a/b', 'ä']) {
    assert.throws(() => open('Sec-WebSocket-Protocol', value), refused('WEBSOCKET_PROTOCOL'), value)
  }
})

test('readOpening() refuses HTTP older than 1.1, a second Host, and every sign of a body', () => {
  assert.throws(() => readOpening({ method: 'GET', httpVersion: '1.0', fields: GOOD }), refused('WEBSOCKET_HTTP_VERSION'))
  assert.throws(() => open('host', 'i'), refused('WEBSOCKET_HOST'))
  assert.throws(() => open('Transfer-Encoding', 'chunked'), refused('WEBSOCKET_BODY'))
  assert.throws(() => open('Content-Length', '0', 'Content-Length', '1'), refused('WEBSOCKET_BODY'))
  assert.doesNotThrow(() => open('Content-Length', '0'))
})

test('readOpening() takes any spelling of websocket and upgrade, also in lists', () => {
  const fields = GOOD.map((field) => (field === 'websocket' ? 'h2c, WebSocket' : field === 'Upgrade' ? 'keep-alive , UPGRADE' : field))
  fields[fields.indexOf('keep-alive , UPGRADE')] = 'Upgrade'
  assert.doesNotThrow(() => readOpening({ method: 'GET', httpVersion: '1.1', fields }))
})

test('readOpening() passes over extensions, even broken ones: none is ever accepted', () => {
  assert.doesNotThrow(() => open('Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits', 'Sec-WebSocket-Extensions', ';;'))
})

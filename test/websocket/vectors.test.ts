import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openingAnswer, readOpening, WebSocketError, type WebSocketErrorCode } from '../../src/websocket/index.ts'
import { cuttings } from '../kit/pieces.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { codeOf, Echo, read } from './kit.ts'

interface HandshakeCase {
  readonly name: string
  readonly request_base64: string
  readonly expect_status: number | string
  readonly expect_headers: Readonly<Record<string, string>> | null
}

/** What each refused request is called here. The case whose body may be refused or kept out of the frames is refused. */
const REFUSED: Readonly<Record<string, WebSocketErrorCode>> = {
  'hs-ws-method-post': 'WEBSOCKET_METHOD',
  'hs-ws-upgrade-foo': 'WEBSOCKET_UPGRADE',
  'hs-ws-key-too-short': 'WEBSOCKET_KEY',
  'hs-ws-version-missing': 'WEBSOCKET_NO_VERSION',
  'hs-ws-protocol-invalid': 'WEBSOCKET_PROTOCOL',
  'hs-rfc-connection-no-upgrade': 'WEBSOCKET_UPGRADE',
  'hs-rfc-no-upgrade-header': 'WEBSOCKET_UPGRADE',
  'hs-rfc-no-host': 'WEBSOCKET_HOST',
  'hs-rfc-key-duplicate': 'WEBSOCKET_KEY',
  'hs-rfc-key-base64url': 'WEBSOCKET_KEY',
  'hs-rfc-version-13-8-list': 'WEBSOCKET_VERSION',
  'hs-rfc-version-duplicate': 'WEBSOCKET_VERSION',
  'hs-rfc-body-on-upgrade': 'WEBSOCKET_BODY',
}

interface FrameCase {
  readonly name: string
  readonly frames_hex: string
  readonly expect: { readonly close?: readonly (number | null)[]; readonly echo?: string; readonly pong?: string; readonly either?: unknown }
}

/** What each broken case is called here. Lengths that are not in their shortest form are free to take or refuse: refused. */
const FAULTS: Readonly<Record<string, WebSocketErrorCode>> = {
  'fr-rsv1-continuation': 'WEBSOCKET_RESERVED_BITS',
  'fr-rsv2-on': 'WEBSOCKET_RESERVED_BITS',
  'fr-rsv3-on': 'WEBSOCKET_RESERVED_BITS',
  'fr-opcode1-in-fragments': 'WEBSOCKET_FRAGMENT',
  'fr-opcode2-in-fragments': 'WEBSOCKET_FRAGMENT',
  'fr-ping-126-length': 'WEBSOCKET_CONTROL_TOO_LONG',
  'fr-length-2^53': 'WEBSOCKET_MESSAGE_TOO_LARGE',
  'fr-length-high-bit': 'WEBSOCKET_LENGTH',
  'fr-invalid-utf8-truncated': 'WEBSOCKET_UTF8',
  'fr-close-payload-1-byte': 'WEBSOCKET_CLOSE_CODE',
  'fr-close-invalid-utf8-reason': 'WEBSOCKET_UTF8',
  'fr-nonminimal-length-126': 'WEBSOCKET_LENGTH',
  'fr-nonminimal-length-127': 'WEBSOCKET_LENGTH',
  'fr-opcode-3': 'WEBSOCKET_OPCODE',
  'fr-opcode-b': 'WEBSOCKET_OPCODE',
  'fr-close-code-1006': 'WEBSOCKET_CLOSE_CODE',
  'fr-close-code-1015': 'WEBSOCKET_CLOSE_CODE',
  'fr-close-code-2999': 'WEBSOCKET_CLOSE_CODE',
  'fr-close-code-5000': 'WEBSOCKET_CLOSE_CODE',
}

conformance('websocket-handshake-frames', (folder) => {
  for (const one of readJson<HandshakeCase[]>(folder, 'open', 'handshake.json')) {
    test(`handshake ${one.name}: ${one.expect_status}`, () => {
      const request = parse(Buffer.from(one.request_base64, 'base64').toString('latin1'))
      const code = REFUSED[one.name]
      if (code !== undefined) {
        assert.notEqual(one.expect_status, 101)
        return assert.throws(() => readOpening(request), (error) => error instanceof WebSocketError && error.code === code)
      }
      assert.equal(one.expect_status, 101)
      const fields = openingAnswer(readOpening(request), undefined)
      for (const [name, value] of Object.entries(one.expect_headers ?? {})) {
        assert.equal(fields[fields.findIndex((field) => field.toLowerCase() === name) + 1], value)
      }
      assert.ok(!fields.includes('Sec-WebSocket-Extensions'))
    })
  }

  for (const { name, frames_hex, expect } of readJson<FrameCase[]>(folder, 'open', 'frames.json')) {
    test(`frames ${name}`, () => {
      for (const [how, chunks] of cuttings(Buffer.from(frames_hex, 'hex'))) {
        const echo = new Echo()
        const all = [...chunks]
        for (const chunk of all) echo.push(chunk)
        assert.equal(read(all).code, FAULTS[name], how)
        const of = (opcodes: readonly number[]) => echo.frames.filter(({ opcode }) => opcodes.includes(opcode))
        assert.deepEqual(of([1, 2]).map(({ payload }) => payload.toString('hex')), expect.echo === undefined ? [] : [expect.echo], how)
        assert.deepEqual(of([10]).map(({ payload }) => payload.toString('hex')), expect.pong === undefined ? [] : [expect.pong], how)
        const closes = of([8]).map(codeOf)
        if (expect.close === undefined && expect.either === undefined) assert.deepEqual(closes, [], how)
        else assert.ok(closes.length === 1 && (expect.close ?? [1002]).includes(closes[0] ?? null), `${how}: ${closes}`)
      }
    })
  }
})

function parse(text: string): { method: string; httpVersion: string; fields: string[] } {
  const [first = '', ...lines] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n')
  const [method = '', , version = ''] = first.split(' ')
  return { method, httpVersion: version.slice('HTTP/'.length), fields: lines.flatMap((line) => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1).trim()]) }
}

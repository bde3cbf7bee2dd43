import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCommand, ErrorReply, type Reply, RespError } from '../../src/resp/index.ts'
import { cuttings } from '../kit/pieces.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { read } from './kit.ts'

type Word = string | { readonly base64: string }
interface Transcript { readonly name: string; readonly protocol: number; readonly steps: readonly { readonly command: readonly Word[] | string; readonly request_base64: string; readonly reply_base64: string }[] }
interface Hiredis { readonly name: string; readonly chunks_base64: readonly string[]; readonly expect: 'ok' | 'error' }
type Value = { readonly t: string; readonly v: unknown }
interface NodeRedis { readonly name: string; readonly input_base64: string; readonly type_mapping?: unknown; readonly replies?: readonly Value[]; readonly error_replies?: readonly { readonly v: string }[] }

const bytes = (base64: string): Buffer => Buffer.from(base64, 'base64')
const words = (command: readonly Word[]): (string | Buffer)[] => command.map((word) => (typeof word === 'string' ? word : bytes(word.base64)))

/** A reply back in the bytes of a server. */
function written(reply: Reply): Buffer {
  if (reply === null) return Buffer.from('$-1\r\n')
  if (Buffer.isBuffer(reply)) return Buffer.concat([Buffer.from(`$${reply.length}\r\n`), reply, Buffer.from('\r\n')])
  if (reply instanceof ErrorReply) return Buffer.from(`-${reply.message}\r\n`)
  if (typeof reply === 'string' || typeof reply === 'number') return Buffer.from(`${typeof reply === 'string' ? '+' : ':'}${reply}\r\n`)
  return Buffer.concat([Buffer.from(`*${reply.length}\r\n`), ...reply.map(written)])
}

/** Types of RESP3, by which a server speaks only after HELLO 3. */
const isVersion3 = (input: Buffer): boolean => /(?:^|\r\n)[_#,(=!~%>|]/.test(input.toString('latin1'))

conformance('resp', (folder) => {
  const transcripts = readJson<Transcript[]>(folder, 'open', 'redis-7.0.15-transcripts.json')

  test('commands are the bytes that Redis was sent', () => {
    assert.ok(transcripts.length > 40)
    for (const { name, steps } of transcripts) {
      for (const { command, request_base64: request } of steps) {
        // One is a pipeline of several, and described in words.
        if (typeof command !== 'string') assert.deepEqual(encodeCommand(words(command)), bytes(request), name)
      }
    }
  })

  test('replies that Redis gave are read in any pieces, and say all that was in their bytes', () => {
    for (const { name, steps } of transcripts) {
      for (const { reply_base64: reply } of steps) {
        const sent = bytes(reply)
        if (isVersion3(sent)) {
          assert.throws(() => read([sent]), { name: 'RespError', code: 'RESP_TYPE' }, name)
          continue
        }
        for (const [cut, chunks] of cuttings(sent)) assert.deepEqual(Buffer.concat(read(chunks).map(written)), sent, `${name}, ${cut}`)
      }
    }
  })

  for (const { name, chunks_base64: given, expect } of readJson<Hiredis[]>(folder, 'open', 'hiredis-reader.json')) {
    const chunks = given.map(bytes)
    const refused = expect === 'error' || isVersion3(Buffer.concat(chunks))
    test(`${name} is ${refused ? 'refused' : 'read'}, whole and byte by byte`, () => {
      for (const [, cut] of cuttings(Buffer.concat(chunks))) {
        if (refused) assert.throws(() => read(cut), RespError)
        else assert.equal(read(cut).length, 1)
      }
    })
  }

  test('the cases of node-redis in RESP2 are read as it reads them', () => {
    const cases = readJson<NodeRedis[]>(folder, 'open', 'node-redis-decoder.json').filter((one) => one.type_mapping === undefined && !isVersion3(bytes(one.input_base64)))
    assert.ok(cases.length > 12)
    const plain = (reply: Reply): unknown => (reply === null ? { t: 'null' } : Buffer.isBuffer(reply) ? { t: 'string', v: reply.toString() }
      : Array.isArray(reply) ? { t: 'array', v: reply.map(plain) } : { t: typeof reply, v: reply })
    for (const { name, input_base64: input, replies = [], error_replies: errors = [] } of cases) {
      const got = read([bytes(input)])
      assert.deepEqual(got.filter((one) => !(one instanceof ErrorReply)).map(plain), replies, name)
      assert.deepEqual(got.filter((one) => one instanceof ErrorReply).map(({ message }) => message), errors.map(({ v }) => v), name)
    }
  })
})

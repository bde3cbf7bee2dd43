import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodeCommand, ErrorReply, type Reply, ReplyParser, type RespErrorCode } from '../../src/resp/index.ts'
import { cuttings, pieces } from '../kit/pieces.ts'
import { LIMITS, read } from './kit.ts'

test('a command is an array of bulk strings, counted in bytes', () => {
  assert.equal(encodeCommand(['SET', 'é', Buffer.from([0, 13, 10])]).toString('latin1'), '*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xa9\r\n$3\r\n\0\r\n\r\n')
})

const SESSION = '+OK\r\n-NOSCRIPT No matching script.\r\n:-7\r\n$4\r\n\r\n\r\n\r\n$-1\r\n*-1\r\n*0\r\n*2\r\n*2\r\n:1\r\n$0\r\n\r\n*1\r\n-ERR x\r\n$2\r\né\r\n'
const REPLIES: readonly Reply[] = ['OK', new ErrorReply('NOSCRIPT No matching script.'), -7, Buffer.from('\r\n\r\n'), null, null, [], [[1, Buffer.alloc(0)], [new ErrorReply('ERR x')]], Buffer.from('é')]

test('replies come whole, cut at every byte, and byte by byte', () => {
  for (const [cut, chunks] of cuttings(Buffer.from(SESSION))) assert.deepEqual(read(chunks), REPLIES, cut)
})

test('a reply is given out by the push that completes it, and not before', () => {
  const parser = new ReplyParser(LIMITS)
  assert.deepEqual([...parser.push(Buffer.from('*2\r\n+a\r\n+b\r'))], [])
  assert.deepEqual([...parser.push(Buffer.from('\n+c\r\n+d'))], [['a', 'b'], 'c'])
})

test('a bulk string is a copy: what becomes of the chunk does not reach it', () => {
  const chunk = Buffer.from('$3\r\nabc\r\n')
  const [reply] = read([chunk])
  chunk.fill(0)
  assert.deepEqual(reply, Buffer.from('abc'))
})

test('an error is told by its first word', () => {
  assert.deepEqual(read([Buffer.from('-WRONGPASS invalid\r\n-\r\n')]).map((reply) => (reply as ErrorReply).code), ['WRONGPASS', ''])
})

const NINES = '9'.repeat(18)
const HOSTILE: readonly (readonly [string, RespErrorCode])[] = [
  ['HTTP/1.1 400 Bad Request\r\n', 'RESP_TYPE'], ['\r\n', 'RESP_TYPE'], ['%1\r\n+a\r\n+b\r\n', 'RESP_TYPE'], ['_\r\n', 'RESP_TYPE'], ['*1\r\n!', 'RESP_TYPE'], ['\0', 'RESP_TYPE'],
  ['+a\n', 'RESP_LINE'], ['+a\rb\r\n', 'RESP_LINE'], ['+\n', 'RESP_LINE'], ['$1\n', 'RESP_LINE'], ['+a\r\r\n', 'RESP_LINE'],
  [`+${'a'.repeat(998)}\r\n`, 'RESP_LINE_TOO_LONG'], [`-${'a'.repeat(1000)}`, 'RESP_LINE_TOO_LONG'], [`:${'0'.repeat(1000)}`, 'RESP_LINE_TOO_LONG'],
  [':\r\n', 'RESP_INTEGER'], [':1.0\r\n', 'RESP_INTEGER'], [':1e3\r\n', 'RESP_INTEGER'], [': 1\r\n', 'RESP_INTEGER'], [':0x10\r\n', 'RESP_INTEGER'], [':9007199254740992\r\n', 'RESP_INTEGER'], [':-9007199254740992\r\n', 'RESP_INTEGER'],
  ['$-2\r\n', 'RESP_LENGTH'], ['$+1\r\n', 'RESP_LENGTH'], ['$\r\n', 'RESP_LENGTH'], ['$?\r\n', 'RESP_LENGTH'], ['*-2\r\n', 'RESP_LENGTH'], ['*1 \r\n', 'RESP_LENGTH'], ['$01234567890123456789\r\n', 'RESP_LENGTH'],
  ['$100001\r\n', 'RESP_BULK_TOO_LONG'], [`$${NINES}\r\n`, 'RESP_BULK_TOO_LONG'],
  ['$1\r\nab\r\n', 'RESP_BULK_END'], ['$1\r\na\n\r', 'RESP_BULK_END'], ['$0\r\n+a\r\n', 'RESP_BULK_END'],
  ['*1001\r\n', 'RESP_TOO_MANY_ITEMS'], [`*${NINES}\r\n`, 'RESP_TOO_MANY_ITEMS'], ['*2\r\n*500\r\n*499\r\n', 'RESP_TOO_MANY_ITEMS'], [`*600\r\n${':1\r\n'.repeat(599)}*401\r\n`, 'RESP_TOO_MANY_ITEMS'],
  ['*1\r\n'.repeat(8), 'RESP_TOO_DEEP'], [`${'*1\r\n'.repeat(7)}*0\r\n`, 'RESP_TOO_DEEP'],
]

test('what is no reply is refused by its name, whole and byte by byte', () => {
  for (const [bytes, code] of HOSTILE) {
    const all = Buffer.from(bytes)
    for (const chunks of [[all], pieces(all, 1), pieces(all, 3)]) assert.throws(() => read(chunks), { name: 'RespError', code }, JSON.stringify(bytes.slice(0, 40)))
  }
})

test('what just fits its limits is read', () => {
  const line = '+'.padEnd(LIMITS.lineBytes - 2, 'a')
  assert.deepEqual(read([Buffer.from(`${line}\r\n`)]), [line.slice(1)])
  assert.equal((read([Buffer.from(`$100000\r\n${'b'.repeat(100_000)}\r\n`)])[0] as Buffer).length, 100_000)
  assert.equal((read([Buffer.from(`*1000\r\n${':1\r\n'.repeat(1000)}`)])[0] as Reply[]).length, 1000)
  assert.equal(JSON.stringify(read([Buffer.from(`${'*1\r\n'.repeat(7)}:9007199254740991\r\n`)])), '[[[[[[[[9007199254740991]]]]]]]]')
  assert.equal(read([Buffer.from(`*1000\r\n${':1\r\n'.repeat(1000)}`.repeat(3))]).length, 3, 'items are counted for each reply')
})

test('the first fault is final, and the replies before it are given out', () => {
  const parser = new ReplyParser(LIMITS)
  const got: Reply[] = []
  assert.throws(() => { for (const reply of parser.push(Buffer.from('+a\r\n@'))) got.push(reply) }, { code: 'RESP_TYPE' })
  assert.deepEqual(got, ['a'])
  assert.throws(() => [...parser.push(Buffer.from('+b\r\n'))], { code: 'RESP_TYPE' })
})

test('a length that is only claimed takes no more than its limit', () => {
  const parser = new ReplyParser(LIMITS)
  const before = process.memoryUsage().arrayBuffers
  for (let i = 0; i < 1000; i++) assert.throws(() => [...new ReplyParser(LIMITS).push(Buffer.from(`$${NINES}\r\n`))], { code: 'RESP_BULK_TOO_LONG' })
  assert.deepEqual([...parser.push(Buffer.from('*1000\r\n$100000\r\n'))], [])
  assert.ok(process.memoryUsage().arrayBuffers - before < 10_000_000)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cuttings, pieces } from '../kit/pieces.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { clientClose, clientFrame, type ServerFrame } from '../kit/websocket.ts'
import { codeOf, Echo } from './kit.ts'

/**
 * The cases of Autobahn, played against an echo without a socket. None is tolerated as NON-STRICT; 7.13.* (closes with a
 * code beyond 4999) is informational there, here it must be 1002 as any other code that nobody may send.
 */
interface Payload {
  readonly b64?: string
  readonly repeat_b64?: string
  readonly length?: number
}
interface Step {
  readonly do: string
  readonly opcode: number
  readonly fin: boolean
  readonly rsv: number
  readonly payload: Payload
  readonly chop: number | null
  readonly binary: boolean
  readonly fragment_size: number | null
  readonly code: number | null
  readonly reason: string | null
  readonly reason_b64: string
  readonly length: number
  readonly tag: string | null
}
interface Happening {
  readonly event: string
  readonly binary?: boolean
  readonly payload?: Payload
  readonly tag?: string
}
interface Case {
  readonly id: string
  readonly description: string
  readonly steps: readonly Step[]
  readonly expected: { readonly OK?: readonly Happening[] }
  readonly expected_close: { readonly closedByMe: boolean; readonly closeCode: readonly number[] }
  readonly suppress_close: boolean
  readonly params?: { readonly COUNT?: number; readonly DATALEN?: number }
}

/** Bytes to send, or the name of a moment at which the connection must still be open for it to be noted. */
type Move = Buffer | string

const LIMITS = { maxBytes: 16 * 1024 * 1024, maxFragments: 65_536 }
const LARGE = 65_536
const KEY = Buffer.from('9a5b03e1', 'hex')

conformance('websocket-autobahn-cases', (folder) => {
  for (const one of readJson<Case[]>(folder, 'open', 'cases.json')) {
    test(`autobahn ${one.id}: ${one.description.replace(/<br>.*/s, '')}`, () => {
      for (const [how, moves] of cuts(movesOf(one))) assertPlayed(one, play(one, moves), how)
    })
  }
})

/** The ways to cut a case's moves: each that is short, at every byte. */
function* cuts(moves: readonly Move[]): Generator<[how: string, moves: readonly Move[]]> {
  const bytes = moves.reduce((sum, move) => sum + (typeof move === 'string' ? 0 : move.length), 0)
  yield ['as it is sent', moves]
  if (bytes > LARGE) return yield ['pieces of 1460', moves.flatMap((move) => (typeof move === 'string' ? [move] : [...pieces(move, 1460)]) as Move[])]
  const ways = moves.map((move) => (typeof move === 'string' ? [] : [...cuttings(move)]))
  const most = Math.max(0, ...ways.map((way) => way.length))
  for (let i = 1; i < most; i++) yield [`way ${i}`, moves.flatMap((move, at) => [...(ways[at]![i]?.[1] as Iterable<Buffer> | undefined ?? [move])])]
}

function play(one: Case, moves: readonly Move[]): { echo: Echo; timeouts: string[] } {
  const echo = new Echo(LIMITS)
  const timeouts: string[] = []
  for (const move of moves) {
    if (typeof move !== 'string') echo.push(move)
    else if (!echo.ended) timeouts.push(move)
  }
  if (one.expected_close.closedByMe && !one.suppress_close) echo.push(clientClose(one.expected_close.closeCode[0]))
  return { echo, timeouts }
}

function assertPlayed(one: Case, { echo, timeouts }: { echo: Echo; timeouts: string[] }, how: string): void {
  const frames = [...echo.frames]
  const close = frames.pop()!
  const expected = expectedOf(one)
  assert.deepEqual(timeouts, expected.filter(({ event }) => event === 'timeout').map(({ tag }) => tag), how)
  assertSame(frames, expected.filter(({ event }) => event !== 'timeout').map(frameOf), how)
  assert.equal(close.opcode, 8, how)
  assert.ok(echo.ended, how)
  if (one.id.startsWith('7.13.')) return assert.equal(codeOf(close), 1002, how)
  // A close without a code is answered by one; Autobahn takes that for any code.
  assert.ok(codeOf(close) === undefined || one.expected_close.closeCode.includes(codeOf(close)!), `${how}: ${codeOf(close)}`)
}

// deepEqual of megabytes takes minutes.
function assertSame(frames: readonly ServerFrame[], expected: readonly ServerFrame[], how: string): void {
  assert.equal(frames.length, expected.length, how)
  for (const [i, { opcode, payload }] of expected.entries()) assert.ok(frames[i]!.opcode === opcode && frames[i]!.payload.equals(payload), `${how}: frame ${i}`)
}

/** 9.* list nothing: what is sent comes back. */
function expectedOf({ expected, steps, params }: Case): readonly Happening[] {
  if (expected.OK !== undefined) return expected.OK
  const { payload, binary, opcode } = steps.find((step) => step.payload !== undefined)!
  return Array.from({ length: params?.COUNT ?? 1 }, () => ({ event: 'message', binary: binary ?? opcode === 2, payload }))
}

const frameOf = ({ event, binary, payload }: Happening): ServerFrame => ({ opcode: event === 'pong' ? 10 : event === 'ping' ? 9 : binary === true ? 2 : 1, payload: bytesOf(payload!) })

function movesOf({ steps, params }: Case): Move[] {
  let opcode = 0
  let at = 0
  const one = (step: Step): Move[] => {
    const payload = bytesOf(step.payload ?? { b64: '' })
    switch (step.do) {
      case 'frame': return Array.from({ length: params?.COUNT ?? 1 }, () => [...pieces(clientFrame({ ...step, payload, key: KEY }), step.chop ?? Infinity)]).flat()
      case 'message': return [messageOf(payload, step.binary ? 2 : 1, step.fragment_size ?? Infinity)]
      case 'close': return [clientClose(step.code ?? undefined, step.reason ?? '')]
      case 'close_frame': return [clientClose(step.code ?? undefined, Buffer.from(step.reason_b64, 'base64').toString('latin1'))]
      case 'wait': return step.tag === null ? [] : [step.tag]
      case 'begin_message': opcode = step.opcode; return []
      case 'begin_frame': at = 0; return [clientFrame({ opcode, payload: Buffer.alloc(step.length), key: KEY }).subarray(0, 6)]
      case 'frame_data': return [payload.map((byte) => byte ^ KEY[at++ % 4]!) as Buffer]
      case 'end_message': case 'close_after': case 'kill_after': return []
      default: throw new Error(`unknown step ${step.do}`)
    }
  }
  return steps.flatMap(one)
}

function messageOf(payload: Buffer, opcode: number, size: number): Buffer {
  const parts = payload.length === 0 ? [payload] : [...pieces(payload, size)]
  return Buffer.concat(parts.map((part, i) => clientFrame({ opcode: i === 0 ? opcode : 0, fin: i === parts.length - 1, payload: part, key: KEY })))
}

function bytesOf({ b64, repeat_b64, length }: Payload): Buffer {
  return b64 !== undefined ? Buffer.from(b64, 'base64') : Buffer.alloc(length!, Buffer.from(repeat_b64!, 'base64'))
}

import { createHmac, hash, type KeyObject } from 'node:crypto'

/** The end of a chain: all that is needed to go on with it, or to see that its tail is cut. */
export interface Head {
  /** Lines are numbered from 1, across files. */
  readonly seq: number
  readonly hash: string
}

/** `call` and `intent` are of requests; `torn` and `lost` are what the log says of itself. */
export type Event = 'call' | 'intent' | 'torn' | 'lost'

/** A line as it claims to be. */
export interface Link extends Head {
  readonly prev: string
  /** Whether a file began with it. */
  readonly opens: boolean
  readonly event: string
  /** Whether its hash is that of its text. */
  readonly intact: boolean
}

/** What the first line of all continues. */
export const ORIGIN: Head = { seq: 0, hash: '0'.repeat(64) }

/** SHA-256 in hex, or, with a key, HMAC-SHA-256: then nobody without it can make a line. */
export function digest(text: string | Buffer, key: KeyObject | undefined): string {
  return key === undefined ? hash('sha256', text, 'hex') : createHmac('sha256', key).update(text).digest('hex')
}

/** More than a line has beside what it says. */
export const FRAME_BYTES = 256

/**
 * Puts the line that follows `before` into `bytes`, its line end included: a JSON object that begins with its number and the hash
 * of the line before, and ends with its own hash, which is that of all the bytes before `,"hash":`. The first line of a file says so.
 */
export function putLine(bytes: Buffer, at: number, before: Head, body: string, opens: boolean, key: KeyObject | undefined): { readonly end: number; readonly head: Head } {
  const seq = before.seq + 1
  const to = at + bytes.write(`{"seq":${seq},"prev":"${before.hash}",${opens ? OPENS : ''}${body}`, at)
  const own = digest(bytes.subarray(at, to), key)
  return { end: to + bytes.write(`,"hash":"${own}"}\n`, to, 'latin1'), head: { seq, hash: own } }
}

const OPENS = '"opens":true,'

const START = /^\{"seq":([1-9]\d{0,15}),"prev":"([0-9a-f]{64})",("opens":true,)?"event":"([a-z]+)",/
const END = /^,"hash":"([0-9a-f]{64})"\}$/
/** The bytes before the text of the first field, and those of the hash at the end. */
const START_BYTES = 128
const END_BYTES = 75

/** Takes a line apart, given without its line end; `undefined` where it has not the form of one. */
export function readLine(line: Buffer, key: KeyObject | undefined): Link | undefined {
  const text = line.subarray(0, Math.max(0, line.length - END_BYTES))
  const start = START.exec(text.toString('latin1', 0, START_BYTES))
  const end = END.exec(line.toString('latin1', text.length))
  if (start === null || end === null) return undefined
  return { seq: Number(start[1]), prev: start[2]!, opens: start[3] !== undefined, event: start[4]!, hash: end[1]!, intact: digest(text, key) === end[1] }
}

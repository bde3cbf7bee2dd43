import type { KeyObject } from 'node:crypto'
import { digest, type Head, type Link, readLine } from './chain.ts'
import { linesOf } from './lines.ts'

/** What a log is held against. */
export interface Expected {
  readonly key: KeyObject | undefined
  /** A head as it was kept, or only its hash, or the first of it: 12 digits at least. */
  readonly head: Head | string | undefined
}

/** Something about a line, or, where `line` is 0, about all of it. */
export interface Finding {
  readonly file: string
  readonly line: number
  readonly what: string
}

export interface Verdict {
  /** What was done to the log. */
  readonly problems: readonly Finding[]
  /** What is no fault, but should be known. */
  readonly notes: readonly Finding[]
  readonly problemCount: number
  readonly lines: number
  readonly first: Head | undefined
  readonly last: Head | undefined
}

/**
 * Reads files of one log, in the order of their lines, and finds every line that was changed, removed, moved, repeated or added.
 *
 *     verify(['audit.jsonl.1', 'audit.jsonl'], { key: undefined, head: readHead('audit.jsonl.head', undefined) })
 *
 * @throws AuditError - `AUDIT_FILE_UNUSABLE`
 */
export function verify(files: readonly string[], expected: Expected): Verdict {
  const verifier = new Verifier(expected)
  for (const file of inOrder(files)) {
    let number = 0
    for (const { bytes, ended } of linesOf(file)) verifier.take({ file, line: ++number }, bytes, ended)
  }
  return verifier.finish()
}

/** The same of the lines of one file, without their line ends, from memory. */
export function verifyLines(lines: readonly Buffer[], expected: Expected): Verdict {
  const verifier = new Verifier(expected)
  for (const [at, bytes] of lines.entries()) verifier.take({ file: '', line: at + 1 }, bytes, true)
  return verifier.finish()
}

/** A shell lists rotated files the wrong way round: `audit.jsonl`, `audit.jsonl.1`. */
function inOrder(files: readonly string[]): string[] {
  const begin = (file: string) => {
    for (const { bytes } of linesOf(file)) {
      const link = readLine(bytes, undefined)
      if (link !== undefined) return link.seq
    }
    return Number.MAX_SAFE_INTEGER
  }
  return files.map((file) => ({ file, seq: begin(file) })).sort((a, b) => a.seq - b.seq).map(({ file }) => file)
}

type Place = Omit<Finding, 'what'>

// Of a log that was written with another key every line is a problem; a hundred of them say no more than all.
const MAX_FINDINGS = 100
const MAX_OPEN = 10_000
const NOWHERE: Place = { file: '', line: 0 }

class Verifier {
  readonly #expected: Expected
  readonly #problems: Finding[] = []
  readonly #notes: Finding[] = []
  #problemCount = 0
  #lines = 0
  #first: Head | undefined
  /** The line that the next one should follow; no hash where it cannot be known. */
  #last: { readonly seq: number; readonly hash: string | undefined } | undefined
  #lastIntact: Head | undefined
  #place: Place = NOWHERE
  /** What is no line of this log, unless the next one says that a crash left it. */
  #suspect: { readonly place: Place; readonly bytes: Buffer } | undefined
  #headSeen = false
  /** Calls that were begun, by their ids, and have not ended yet. */
  readonly #open = new Map<string, Place>()

  constructor(expected: Expected) {
    this.#expected = expected
  }

  take(place: Place, bytes: Buffer, ended: boolean): void {
    this.#lines++
    this.#place = place
    const link = ended ? readLine(bytes, this.#expected.key) : undefined
    if (link === undefined) {
      this.#condemn()
      this.#suspect = { place, bytes }
      return
    }
    this.#judgeSuspect(link, bytes)
    this.#follow(place, link)
    if (link.intact) this.#read(place, link, bytes)
  }

  finish(): Verdict {
    this.#condemn()
    this.#checkEnd()
    if (this.#problemCount > this.#problems.length) this.#problems.push({ ...NOWHERE, what: `${this.#problemCount - this.#problems.length} more problems` })
    if (this.#lines > 0 && this.#lastIntact === undefined) this.#notes.push({ ...NOWHERE, what: 'not one line fits: is this the key that the log was written with?' })
    const open = [...this.#open].slice(0, 10)
    for (const [id, place] of open) this.#notes.push({ ...place, what: `call ${id} was begun here and never ended: it may have reached AWS` })
    if (this.#open.size > open.length) this.#notes.push({ ...NOWHERE, what: `${this.#open.size - open.length} more calls were begun and never ended` })
    return { problems: this.#problems, notes: this.#notes, problemCount: this.#problemCount, lines: this.#lines, first: this.#first, last: this.#lastIntact }
  }

  #follow(place: Place, link: Link): void {
    const last = this.#last
    if (!link.intact) {
      // Which line it was is not known for certain; the next one is not to be blamed for it.
      this.#problem(place, 'the line was changed, or was written with another key')
      this.#last = { seq: last === undefined ? link.seq : last.seq + 1, hash: undefined }
      return
    }
    if (last === undefined) this.#begin(place, link)
    else if (link.seq <= last.seq) return this.#problem(place, `line ${link.seq} of the chain stands here after line ${last.seq}: it was moved or repeated`)
    else if (link.seq > last.seq + 1) this.#problem(place, `${missing(last.seq + 1, link.seq - 1)} before this one`)
    else if (last.hash !== undefined && link.prev !== last.hash) this.#problem(place, 'the line does not follow the one before: one of them is of another chain')
    this.#last = this.#lastIntact = { seq: link.seq, hash: link.hash }
    this.#first ??= this.#lastIntact
    this.#compareWithHead(place, link)
  }

  #begin(place: Place, link: Link): void {
    if (!link.opens) this.#problem(place, `the file did not begin with this line: line ${link.seq - 1} of the chain is missing before it`)
    else if (link.seq > 1) this.#notes.push({ ...place, what: `the chain begins before these files: this is its line ${link.seq}` })
  }

  #read(place: Place, { event }: Link, bytes: Buffer): void {
    if (event === 'lost') this.#notes.push({ ...place, what: `${fieldOf(bytes, /,"lines":(\d+),/) ?? 'some'} lines were never written: the log says so itself` })
    if (event !== 'intent' && this.#open.size === 0) return
    const id = fieldOf(bytes, /,"request_id":"([^"]*)",/)
    if (id === undefined) return
    if (event === 'call') this.#open.delete(id)
    if (event === 'intent' && this.#open.size < MAX_OPEN) this.#open.set(id, place)
  }

  /** A torn line is accepted where the next line names exactly its bytes. */
  #judgeSuspect(link: Link, bytes: Buffer): void {
    const suspect = this.#suspect
    if (suspect === undefined) return
    const named = link.intact && link.event === 'torn' ? fieldOf(bytes, /,"sha256":"([0-9a-f]{64})",/) : undefined
    if (named !== digest(suspect.bytes, undefined)) return this.#condemn()
    this.#notes.push({ ...suspect.place, what: 'a crash left the line unfinished; the next one says so' })
    this.#suspect = undefined
  }

  #condemn(): void {
    if (this.#suspect !== undefined) this.#problem(this.#suspect.place, 'this is no whole line of the log: foreign, changed, or left unfinished by a crash')
    this.#suspect = undefined
  }

  #compareWithHead(place: Place, link: Link): void {
    const { head } = this.#expected
    if (typeof head === 'string') this.#headSeen ||= link.hash.startsWith(head)
    else if (head?.seq === link.seq) {
      this.#headSeen = true
      if (head.hash !== link.hash) this.#problem(place, 'the head names another line in this place')
    }
  }

  #checkEnd(): void {
    const { head } = this.#expected
    if (head === undefined) this.#notes.push({ ...NOWHERE, what: 'without a head (--head) it cannot be seen whether the tail was cut' })
    else if (this.#headSeen) return
    else if (typeof head === 'string') this.#problem(this.#place, 'the line that the head names is not there: the tail was cut, or this is another chain')
    else if (head.seq > (this.#last?.seq ?? 0)) this.#problem(this.#place, `the tail was cut: ${missing((this.#last?.seq ?? 0) + 1, head.seq)}`)
    else if (this.#first === undefined || head.seq > this.#first.seq) this.#problem(this.#place, 'the line that the head names is not there')
    else this.#notes.push({ ...NOWHERE, what: 'the head is older than these files: it says nothing about them' })
  }

  #problem(place: Place, what: string): void {
    if (++this.#problemCount <= MAX_FINDINGS) this.#problems.push({ ...place, what })
  }
}

const missing = (from: number, to: number): string => (from === to ? `line ${from} of the chain is missing` : `lines ${from} to ${to} of the chain are missing`)
const fieldOf = (bytes: Buffer, pattern: RegExp): string | undefined => pattern.exec(bytes.toString('latin1'))?.[1]

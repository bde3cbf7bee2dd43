import { encodeMessage, exceptionMessage, type Frame, FrameCursor, Splitter } from '../eventstream/index.ts'
import { member, readFrame } from './said.ts'

/** How the answer of a streaming operation reaches the client, and how it can end when it must not end well. */
export interface StreamView {
  /** What the client gets for bytes of AWS. */
  push(chunk: Buffer): Buffer | string
  /** Whether AWS may stop here: at the end of a message. `undefined` where the framing was lost. */
  readonly whole: boolean | undefined
  /** The bytes that tell the client of an exception, or `undefined` where nothing can be added any more. */
  exception(type: string, message: string): Buffer | string | undefined
}

/** The view that nearly everybody has: the very bytes. Only the lengths of messages are followed. */
export class PlainView implements StreamView {
  readonly #cursor = new FrameCursor()

  push(chunk: Buffer): Buffer {
    this.#cursor.advance(chunk)
    return chunk
  }

  get whole(): boolean | undefined {
    return this.#cursor.lost ? undefined : this.#cursor.atBoundary
  }

  exception(type: string, message: string): Buffer | undefined {
    return this.#cursor.atBoundary ? encodeMessage(exceptionMessage(type, Buffer.from(JSON.stringify({ message })))) : undefined
  }
}

/** The same stream as server-sent events, for clients that ask for `text/event-stream`: the only place bytes are framed anew. */
export class SseView implements StreamView {
  readonly #splitter = new Splitter()

  /** @throws EventStreamError - where AWS's framing is broken: then there is nothing more to show. */
  push(chunk: Buffer): string {
    let text = ''
    for (const frame of this.#splitter.push(chunk)) text += serverSentEvent(frame)
    return text
  }

  get whole(): boolean {
    try {
      this.#splitter.end()
      return true
    } catch {
      return false
    }
  }

  exception(type: string, message: string): string {
    return errorEvent(type, message)
  }
}

/** Of an Invoke chunk the model's own event is shown, under its own name. */
function serverSentEvent(frame: Frame): string {
  const said = readFrame(frame)
  if (said.kind === 'exception') return errorEvent(said.type, said.message)
  if (said.kind === 'event') return event(said.type, said.payload.toString('utf8'))
  return event(member(said.event, 'type') ?? 'chunk', said.event.toString('utf8'))
}

function errorEvent(type: string, message: string): string {
  return event('error', JSON.stringify({ message, type: 'error', error: { type, message } }))
}

// WHATWG HTML §9.2.6: a field ends at any line break, so a name has none and each line of data gets a field of its own.
function event(name: string, data: string): string {
  return `event: ${name.replace(/[\r\n]/g, ' ')}\n${data.split(/\r\n|\r|\n/).map((line) => `data: ${line}\n`).join('')}\n`
}

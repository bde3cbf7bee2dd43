/** The event stream of AWS, `application/vnd.amazon.eventstream`: messages to bytes, and bytes in any pieces to messages. */
export { FrameCursor } from './cursor.ts'
export { EventStreamError, type EventStreamErrorCode } from './errors.ts'
export { eventMessage, exceptionMessage, stringHeader } from './event.ts'
export type { HeaderValue, MessageHeaders } from './headers.ts'
export { decodeMessage, encodeMessage, type Frame, type Message } from './message.ts'
export { Splitter, type SplitterOptions } from './splitter.ts'

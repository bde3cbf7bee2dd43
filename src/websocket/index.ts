/** WebSocket (RFC 6455), the server's side: requests to openings, bytes in any pieces to messages, messages to frames. */
export { type Close, ClosingHandshake, type ClosingStep, writeClose } from './close.ts'
export { FrameError, type FrameErrorCode, type HandshakeErrorCode, WebSocketError, type WebSocketErrorCode } from './errors.ts'
export { writeFrame } from './frame.ts'
export { acceptKey, type Opening, openingAnswer, type OpeningRequest, readOpening, VERSION } from './handshake.ts'
export type { MessageLimits } from './assembly.ts'
export { FrameReader, type Incoming } from './reader.ts'

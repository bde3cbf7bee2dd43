/** The protocol of Redis, version 2 (RESP2): commands to bytes, and bytes in any pieces to replies. */
export { encodeCommand } from './command.ts'
export { RespError, type RespErrorCode } from './errors.ts'
export { ErrorReply, type Reply, type ReplyLimits, ReplyParser } from './parser.ts'

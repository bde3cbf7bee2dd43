import { asBuffer } from './bytes.ts'
import type { HeaderValue, MessageHeaders } from './headers.ts'
import type { Message } from './message.ts'

/** An event as Bedrock writes it: its type, and a JSON payload. */
export const eventMessage = (eventType: string, json: Uint8Array): Message => message('event', eventType, json)

/**
 * An exception as Bedrock writes it inside a stream. Clients know a type only if it is in the operation's union,
 * its first letter in lower case: `exceptionMessage('modelStreamErrorException', Buffer.from('{"message":"…"}'))`.
 */
export const exceptionMessage = (exceptionType: string, json: Uint8Array): Message => message('exception', exceptionType, json)

/** The value of a string header; undefined where there is none of that name and type. */
export function stringHeader(headers: MessageHeaders, name: string): string | undefined {
  const header = headers.get(name)
  return header?.type === 'string' ? header.value : undefined
}

// The order of the headers is that of Bedrock's own messages.
function message(messageType: 'event' | 'exception', type: string, json: Uint8Array): Message {
  const headers = new Map([
    [`:${messageType}-type`, text(type)],
    [':content-type', text('application/json')],
    [':message-type', text(messageType)],
  ])
  return { headers, payload: asBuffer(json) }
}

function text(value: string): HeaderValue {
  if (typeof value !== 'string') throw new TypeError('header text must be a string')
  return { type: 'string', value }
}

import { type Frame, stringHeader } from '../eventstream/index.ts'

/** What a message of AWS says, for those who are told in other frames. */
export type Said =
  /** An Invoke chunk carries the model's own event as base64. */
  | { readonly kind: 'model'; readonly event: Buffer }
  | { readonly kind: 'exception'; readonly type: string; readonly message: string }
  | { readonly kind: 'event'; readonly type: string; readonly payload: Buffer }

export function readFrame({ headers, payload }: Frame): Said {
  const messageType = stringHeader(headers, ':message-type')
  if (messageType === 'exception') return { kind: 'exception', type: stringHeader(headers, ':exception-type') ?? 'unknown', message: messageOf(payload) }
  if (messageType === 'error') return { kind: 'exception', type: stringHeader(headers, ':error-code') ?? 'unknown', message: stringHeader(headers, ':error-message') ?? '' }
  const type = stringHeader(headers, ':event-type') ?? 'message'
  const bytes = type === 'chunk' ? member(payload, 'bytes') : undefined
  return bytes === undefined ? { kind: 'event', type, payload } : { kind: 'model', event: Buffer.from(bytes, 'base64') }
}

/** The words of an error of AWS, in a stream or in an answer. */
export const messageOf = (json: Buffer): string => member(json, 'message') ?? member(json, 'Message') ?? ''

/** A string member of a JSON object; `undefined` where the bytes are anything else. */
export function member(json: Buffer, name: string): string | undefined {
  try {
    const value: unknown = JSON.parse(json.toString('utf8'))
    const found = typeof value === 'object' && value !== null && Object.hasOwn(value, name) ? (value as Record<string, unknown>)[name] : undefined
    return typeof found === 'string' ? found : undefined
  } catch {
    return undefined
  }
}

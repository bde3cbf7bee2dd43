import type { Readable } from 'node:stream'

/** Takes a small body that came with its head, without a timer and without an event. @returns All of its bytes; `undefined` where some are missing. */
export function arrived(body: Readable, bytes: number): Buffer | undefined {
  if (bytes === 0 || body.readableLength !== bytes || body.destroyed) return undefined
  // Not read(): of several pieces that gives the first alone, on Node 26.
  const whole = body.read(bytes) as Buffer
  // Its end is told to nobody, and its connection not given back, unless it flows.
  body.resume()
  return whole
}

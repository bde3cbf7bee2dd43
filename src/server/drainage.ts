import type { Readable } from 'node:stream'

/**
 * How much of an upload nobody wants is read all the same. Not at all: most clients lose the answer that stands behind
 * it, or hang. Without bounds: Node reads for ever.
 */
const MAX_BYTES = 64 * 1024 * 1024
// A minute takes the largest body over a line of half a megabyte per second; who stops sending is not waited for.
const MAX_MS = 60_000
const MAX_SILENT_MS = 2000

/** Reads the rest of a body and forgets it. Calls back once: whether its end came within the bounds. */
export function drainAway(body: Readable, done: (ended: boolean) => void, maxSilentMs = MAX_SILENT_MS): void {
  let bytes = 0
  const onData = (chunk: Buffer) => {
    bytes += chunk.length
    silence.refresh()
    if (bytes > MAX_BYTES) settle(false)
  }
  const onEnd = () => settle(true)
  const onClose = () => settle(body.readableEnded)
  const limit = setTimeout(() => settle(false), MAX_MS)
  const silence = setTimeout(() => settle(false), maxSilentMs)
  const settle = (ended: boolean) => {
    clearTimeout(limit)
    clearTimeout(silence)
    body.off('data', onData).off('end', onEnd).off('close', onClose)
    done(ended)
  }
  if (body.readableEnded || body.destroyed) return settle(body.readableEnded)
  body.on('data', onData).on('end', onEnd).on('close', onClose)
  body.resume()
}

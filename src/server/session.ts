import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'

// 64 KiB a connection, the protocol's default, makes uploads twelve times slower at 40 ms.
const WINDOW_BYTES = 8 * 1024 * 1024

/**
 * Bounds the life of an HTTP/2 connection: a first request must come within `headerMs`, and one without requests is
 * closed after `keepAliveMs`, whatever PING and SETTINGS frames come meanwhile.
 */
export function keepSession(session: ServerHttp2Session, headerMs: number, keepAliveMs: number): void {
  let open = 0
  let idle = setTimeout(() => session.destroy(), headerMs)
  session.on('error', () => undefined)
  session.once('close', () => clearTimeout(idle))
  // Known only when the peer's settings have come.
  session.setLocalWindowSize(WINDOW_BYTES)
  session.on('stream', (stream: ServerHttp2Stream) => {
    open++
    clearTimeout(idle)
    stream.once('close', () => {
      open--
      if (open > 0 || session.closed) return
      clearTimeout(idle)
      idle = setTimeout(() => session.close(), keepAliveMs)
    })
  })
}

import type { ServerHttp2Session, ServerHttp2Stream } from 'node:http2'
import type { Socket } from 'node:net'

// 64 KiB a connection, the protocol's default, makes uploads twelve times slower at 40 ms.
const WINDOW_BYTES = 8 * 1024 * 1024

/**
 * Bounds the life of an HTTP/2 connection: a first request must come within `headerMs`, and one without requests is
 * closed after `keepAliveMs`, whatever PING and SETTINGS frames come meanwhile. A client that hears of the end has
 * `headerMs` to close its side.
 *
 * @param socket - What the session runs on.
 */
export function keepSession(session: ServerHttp2Session, socket: Socket, headerMs: number, keepAliveMs: number): void {
  let open = 0
  let timer = setTimeout(() => socket.destroy(), headerMs)
  const cutSoon = () => {
    clearTimeout(timer)
    if (!socket.destroyed) timer = setTimeout(() => socket.destroy(), headerMs)
  }
  session.on('error', () => undefined)
  session.once('close', cutSoon)
  socket.once('close', () => clearTimeout(timer))
  // Known only when the peer's settings have come.
  session.setLocalWindowSize(WINDOW_BYTES)
  session.on('stream', (stream: ServerHttp2Stream) => {
    // Told of a tick late, as its end may be: then that has been seen to.
    if (session.destroyed) return
    open++
    clearTimeout(timer)
    stream.once('close', () => {
      open--
      if (open > 0 || session.closed || session.destroyed) return
      clearTimeout(timer)
      timer = setTimeout(() => {
        cutSoon()
        session.close()
      }, keepAliveMs)
    })
  })
}

import type { Socket } from 'node:net'

/** RFC 9113 §3.4: what a client of HTTP/2 with prior knowledge says first. Four bytes tell it from any method. */
const PREFACE_START = 'PRI '

/** Waits for the first bytes of a connection, no longer than for a head, and gives them back. */
export function sniff(socket: Socket, maxMs: number, hand: (socket: Socket, isH2: boolean) => void): void {
  const timer = setTimeout(() => socket.destroy(), maxMs)
  let bytes: Buffer = Buffer.alloc(0)
  const onReadable = () => {
    const more: Buffer | null = socket.read()
    if (more === null) return
    bytes = bytes.length === 0 ? more : Buffer.concat([bytes, more])
    const start = bytes.toString('latin1', 0, PREFACE_START.length)
    if (start.length < PREFACE_START.length && PREFACE_START.startsWith(start)) return
    settle()
    socket.unshift(bytes)
    hand(socket, start === PREFACE_START)
  }
  const onEnd = () => socket.destroy()
  const settle = () => {
    clearTimeout(timer)
    socket.off('readable', onReadable).off('end', onEnd).off('close', settle).off('error', onEnd)
  }
  socket.on('readable', onReadable).on('end', onEnd).on('close', settle).on('error', onEnd)
}

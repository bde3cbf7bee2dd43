/** As far as it is used here: the package brings no types. */
declare module 'ws' {
  import type { EventEmitter } from 'node:events'
  import type { IncomingMessage } from 'node:http'
  import type { Socket } from 'node:net'

  export class WebSocket extends EventEmitter {
    constructor(url: string, protocols: readonly string[], options?: { readonly headers?: Readonly<Record<string, string>>; readonly ca?: string; readonly maxPayload?: number })
    readonly protocol: string
    readonly extensions: string
    /** Not of its public interface. */
    readonly _socket: Socket
    send(data: string | Uint8Array, options?: { readonly binary?: boolean }): void
    close(code?: number): void
    terminate(): void
    pause(): void
    resume(): void
    on(event: 'open' | 'error', listener: (error: Error) => void): this
    on(event: 'message', listener: (data: Buffer, isBinary: boolean) => void): this
    on(event: 'close', listener: (code: number, reason: Buffer) => void): this
    on(event: 'unexpected-response', listener: (request: unknown, response: IncomingMessage) => void): this
  }
}

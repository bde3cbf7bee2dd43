import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server } from 'node:http'
import { createServer as createTlsServer } from 'node:https'
import { type AddressInfo, connect, type Socket } from 'node:net'

/** A tunnel that was asked for. */
export interface Asked {
  readonly target: string
  readonly authorization: string | undefined
}

/** An HTTP proxy that knows CONNECT and nothing else. Every name it is asked for is this host. */
export class FakeEgress {
  readonly asked: Asked[] = []
  /** The ends of its clients, open tunnels among them. */
  readonly clients = new Set<Socket>()
  /** In place of a tunnel. */
  script: ((client: Socket, request: IncomingMessage) => void) | undefined
  readonly #server: Server
  readonly #secure: boolean

  private constructor(tls?: { readonly key: string; readonly cert: string }) {
    this.#secure = tls !== undefined
    this.#server = tls === undefined ? createServer() : createTlsServer(tls)
    this.#server.on('connect', (request, client, head) => this.#tunnel(request, client as Socket, head))
  }

  /** @param path - Of a Unix socket to listen on. */
  static async start(tls?: { readonly key: string; readonly cert: string }, path?: string): Promise<FakeEgress> {
    const egress = new FakeEgress(tls)
    if (path === undefined) egress.#server.listen(0, '127.0.0.1')
    else egress.#server.listen(path)
    await once(egress.#server, 'listening')
    return egress
  }

  /** @param user - `user:password@`. */
  url(user = '', host = '127.0.0.1'): string {
    return `${this.#secure ? 'https' : 'http'}://${user}${host}:${(this.#server.address() as AddressInfo).port}`
  }

  async close(): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    for (const client of this.clients) client.destroy()
    await closed
  }

  #tunnel(request: IncomingMessage, client: Socket, head: Buffer): void {
    this.asked.push({ target: request.url!, authorization: request.headers['proxy-authorization'] })
    this.clients.add(client)
    client.on('error', () => undefined).on('end', () => client.end()).on('close', () => this.clients.delete(client))
    if (this.script !== undefined) return this.script(client, request)
    const far = connect(Number(request.url!.split(':').at(-1)), '127.0.0.1', () => {
      client.write('HTTP/1.1 200 Connection established\r\n\r\n')
      far.write(head)
      far.pipe(client).pipe(far)
    })
    far.on('error', () => client.destroy()).on('close', () => client.destroy())
    client.on('close', () => far.destroy())
  }
}

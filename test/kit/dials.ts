import { Socket as Datagrams } from 'node:dgram'
import { subscribe } from 'node:diagnostics_channel'
import { Socket } from 'node:net'

/** `host:port`, as what connects names it; `unix:` and a path; what a tunnel is asked for; `udp:` before where a datagram goes. */
export type Dial = string

/** Tells of everything that this process connects to from now on. TLS, HTTP and HTTP/2 all come down to the `connect` of a socket. */
export function onDial(tell: (dial: Dial) => void): void {
  around(Socket.prototype, 'connect', (args) => {
    const [first, second] = args.flat(1) as unknown[]
    const { host, port, path } = typeof first === 'object' && first !== null ? first as { host?: string; port?: number; path?: string } : { port: first, host: second }
    // A tunnel that TLS is put upon is connected by whoever asked for it.
    tell(typeof path === 'string' && port === undefined ? `unix:${path}` : placeOf(typeof host === 'string' ? host : 'localhost', port))
  })
  for (const name of ['connect', 'send'] as const) around(Datagrams.prototype, name, (args) => tell(`udp:${args.filter((one) => ['string', 'number'].includes(typeof one)).join(' ')}`))
  subscribe('http.client.request.start', (message) => {
    const { request } = message as { readonly request: { readonly method: string; readonly path: string } }
    if (request.method === 'CONNECT') tell(request.path)
  })
}

const placeOf = (host: string, port: unknown): string => `${host.includes(':') ? `[${host}]` : host}:${port}`

function around(prototype: object, name: string, before: (args: readonly unknown[]) => void): void {
  const methods = prototype as Record<string, (...args: unknown[]) => unknown>
  const untouched = methods[name]!
  methods[name] = function (this: unknown, ...args: unknown[]) {
    before(args)
    return Reflect.apply(untouched, this, args)
  }
}

import { once } from 'node:events'
import { type AddressInfo, createServer } from 'node:net'

/** A port of loopback that was free a moment ago: any, or the one that is wanted. */
export async function freePort(wanted = 0): Promise<number> {
  const server = createServer()
  await once(server.listen(wanted, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

let lasting = 20_000 + Math.floor(Math.random() * 12_000)

/** One that is still free when its program is started anew: of those that the system gives to nobody by itself. */
export async function lastingPort(): Promise<number> {
  for (;;) {
    try {
      return await freePort(lasting++)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    }
  }
}

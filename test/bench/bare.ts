// The bare peers: `bare.ts floor|pipe|raw`, ports in the environment.
import { Agent, createServer, request as httpRequest, type RequestListener } from 'node:http'
import { connect, createServer as createNetServer } from 'node:net'
import { pipeline } from 'node:stream'

const host = '127.0.0.1'
const port = Number(process.env.PORT)
const upstream = Number(process.env.UPSTREAM_PORT)
const agent = new Agent({ keepAlive: true })
const http = (listener: RequestListener) => createServer({ keepAliveTimeout: 300_000 }, listener)

/** Answers at once: what Node's HTTP alone costs. */
const floor = http((request, response) => {
  request.resume()
  response.writeHead(200, { 'content-type': 'application/json', 'content-length': 300 }).end('x'.repeat(300))
})

/** HTTP piped through, nothing checked and nothing signed. */
const pipe = http((request, response) => {
  const up = httpRequest({ host, port: upstream, agent, method: 'POST', path: request.url, headers: request.headers }, (answer) => {
    const { connection: _, 'keep-alive': __, ...headers } = answer.headers
    answer.pipe(response.writeHead(answer.statusCode ?? 502, headers))
  })
  response.on('close', () => response.writableFinished || up.destroy())
  request.pipe(up).on('error', () => response.destroy())
})

/** Sockets copied, no HTTP at all: the floor for streams. */
const raw = createNetServer({ noDelay: true }, (client) => {
  const up = connect({ host, port: upstream, noDelay: true })
  pipeline(client, up, client, () => {})
})

const server = new Map<string | undefined, { listen: typeof raw.listen }>(Object.entries({ floor, pipe, raw })).get(process.argv[2])
server?.listen(port, host)

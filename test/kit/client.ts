import { request as httpRequest } from 'node:http'
import { connect as h2connect, constants, type OutgoingHttpHeaders } from 'node:http2'
import { connect } from 'node:net'
import { output } from './leaks.ts'

export interface Ask {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string | readonly string[]>>
  readonly body?: Buffer | string
}

export interface Got {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
  /** Whether the answer came to its proper end; not so where a connection or stream broke off. */
  readonly complete: boolean
}

export type Protocol = 'HTTP/1.1' | 'HTTP/2'
export const PROTOCOLS: readonly Protocol[] = ['HTTP/1.1', 'HTTP/2']

/** Sends one request over a connection of its own and waits for all of the answer. The path goes out as it is spelt. */
export async function ask(protocol: Protocol, port: number, path: string, options: Ask = {}): Promise<Got> {
  const got = await (protocol === 'HTTP/2' ? askH2 : askH1)(port, path, options)
  if (got.status >= 400) output(got.body.toString('latin1'))
  return got
}

function askH1(port: number, path: string, { method = 'POST', headers = {}, body }: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const request = httpRequest({ host: '127.0.0.1', port, path, method, headers: headers as OutgoingHttpHeaders, agent: false }, (response) => {
      const chunks: Buffer[] = []
      response.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined)
      response.on('close', () => resolve({ status: response.statusCode!, headers: response.headers, body: Buffer.concat(chunks), complete: response.complete }))
    })
    request.on('error', reject).end(body)
  })
}

function askH2(port: number, path: string, { method = 'POST', headers = {}, body }: Ask): Promise<Got> {
  return new Promise((resolve, reject) => {
    const session = h2connect(`http://127.0.0.1:${port}`).on('error', reject)
    const length = body === undefined ? {} : { 'content-length': Buffer.byteLength(body) }
    const stream = session.request({ ':method': method, ':path': path, ...length, ...headers } as OutgoingHttpHeaders, { endStream: body === undefined })
    let head: Got['headers'] | undefined
    let ended = false
    const chunks: Buffer[] = []
    stream.on('response', (received) => { head = received as unknown as Got['headers'] })
    stream.on('data', (chunk: Buffer) => chunks.push(chunk)).on('end', () => { ended = true }).on('error', () => undefined)
    stream.on('close', () => {
      session.close()
      if (head === undefined) return reject(new Error(`no answer, RST_STREAM ${stream.rstCode}`))
      const complete = ended && stream.rstCode === constants.NGHTTP2_NO_ERROR
      resolve({ status: Number(head[':status']), headers: head, body: Buffer.concat(chunks), complete })
    })
    if (body !== undefined) stream.end(body)
  })
}

/** Sends bytes on a socket and collects what comes back until the server closes. */
export function raw(port: number, bytes: Buffer | string): Promise<string> {
  return new Promise((resolve) => {
    const chunks: Buffer[] = []
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true }, () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => chunks.push(chunk)).on('error', () => undefined).on('end', () => socket.end())
    socket.on('close', () => {
      const text = Buffer.concat(chunks).toString('latin1')
      output(text)
      resolve(text)
    })
  })
}

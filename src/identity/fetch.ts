import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { createSecureContext, rootCertificates } from 'node:tls'
import { IdentityError } from './errors.ts'

/** @throws IdentityError - `IDENTITY_URL_REFUSED`, `IDENTITY_FETCH_…` */
export type Get = (url: string, signal: AbortSignal) => Promise<{ readonly bytes: Buffer; readonly cacheControl: string }>

/** How an issuer is reached. */
export interface Reach {
  /** PEM of the only authorities to trust, in place of those that Node brings; never what an environment variable adds. */
  readonly ca?: string | undefined
  /** Makes the connections in place of Node, with TLS done. */
  readonly connect?: ((url: URL) => Promise<Duplex>) | undefined
}

/** Asks for a document, by GET, or by POST of a form where there is one. @throws IdentityError - as `Get`, but any status is an answer; of a document that is not there the bytes are none. */
export type Ask = (url: string, signal: AbortSignal, form?: Form) => Promise<{ readonly status: number; readonly bytes: Buffer; readonly cacheControl: string }>

export interface Form {
  readonly fields: Readonly<Record<string, string>>
  readonly body: string
}

const MAX_BYTES = 262_144
const HEADERS = { 'Accept': 'application/json', 'Accept-Encoding': 'identity' }

/**
 * A client for small documents, each on a connection of its own. No redirect is followed; the bytes are taken as they are, so no few of
 * them unfold into many.
 */
export function httpClient({ ca, connect }: Reach = {}): Ask {
  const trust = { secureContext: createSecureContext({ ca: ca ?? [...rootCertificates], minVersion: 'TLSv1.2' }), rejectUnauthorized: true }
  return async (text, signal, form) => {
    const url = checkedUrl(text)
    const method = form === undefined ? 'GET' : 'POST'
    try {
      const connection = await connect?.(url)
      const send = url.protocol === 'https:' && connection === undefined ? tlsRequest : plainRequest
      const road = connection === undefined ? { ...trust, agent: false } : { protocol: 'http:', defaultPort: url.protocol === 'https:' ? 443 : 80, createConnection: () => connection }
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        // An answer that switches protocols is followed by 'close' alone.
        send(url, { ...road, method, headers: { ...HEADERS, ...form?.fields }, insecureHTTPParser: false, signal }, resolve)
          .on('error', reject).on('close', reject).end(form?.body)
      })
      return { status: answer.statusCode!, bytes: await bodyOf(answer, form !== undefined || answer.statusCode === 200), cacheControl: answer.headers['cache-control'] ?? '' }
    } catch (error) {
      if (error instanceof IdentityError) throw error
      if (signal.aborted) throw new IdentityError('IDENTITY_FETCH_TIMEOUT', 'the answer did not come in time')
      throw new IdentityError('IDENTITY_FETCH_FAILED', 'the answer did not come', (error as NodeJS.ErrnoException | undefined)?.code)
    }
  }
}

/** The same for documents that are there: status 200 is taken and nothing else. */
export function httpGet(reach?: Reach): Get {
  const ask = httpClient(reach)
  return async (url, signal) => {
    const { status, ...document } = await ask(url, signal)
    if (status !== 200) throw new IdentityError('IDENTITY_FETCH_STATUS', 'the answer is not 200', `status ${status}`)
    return document
  }
}

/** A URL that may be asked, over TLS or from this very host; anything else is thrown out with `IDENTITY_URL_REFUSED`. */
export function checkedUrl(text: string): URL {
  // Nothing that a parser would drop or turn into something else.
  if (/^https?:\/\/[!-~]+$/.test(text) && !/[\\#]/.test(text) && URL.canParse(text)) {
    const url = new URL(text)
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
    if (url.username + url.password === '' && (url.protocol === 'https:' || loopback)) return url
  }
  throw new IdentityError('IDENTITY_URL_REFUSED', 'it is no https:// URL (http:// for a loopback host only) without user and fragment')
}

async function bodyOf(answer: IncomingMessage, wanted: boolean): Promise<Buffer> {
  try {
    if (!wanted) return Buffer.alloc(0)
    const { 'content-encoding': encoding = 'identity' } = answer.headers
    if (encoding !== 'identity') throw new IdentityError('IDENTITY_FETCH_ENCODED', 'the answer is encoded')
    const chunks: Buffer[] = []
    let bytes = 0
    for await (const chunk of answer as AsyncIterable<Buffer>) {
      bytes += chunk.length
      if (bytes > MAX_BYTES) throw new IdentityError('IDENTITY_FETCH_TOO_LARGE', 'the answer is too large')
      chunks.push(chunk)
    }
    return Buffer.concat(chunks)
  } finally {
    answer.destroy()
  }
}

import { type IncomingMessage, request as plainRequest } from 'node:http'
import { request as tlsRequest } from 'node:https'
import { createSecureContext, rootCertificates } from 'node:tls'
import { IdentityError } from './errors.ts'

/** @throws IdentityError - `IDENTITY_URL_REFUSED`, `IDENTITY_FETCH_…` */
export type Get = (url: string, signal: AbortSignal) => Promise<{ readonly bytes: Buffer; readonly cacheControl: string }>

const MAX_BYTES = 262_144
const HEADERS = { 'Accept': 'application/json', 'Accept-Encoding': 'identity' }

/**
 * A client for small documents: GET, each on a connection of its own. Status 200 is taken and nothing else, so no redirect
 * is followed; the bytes are taken as they are, so no few of them unfold into many.
 *
 * @param ca - PEM of the only authorities to trust, in place of those that Node brings; never what an environment variable adds.
 */
export function httpGet(ca?: string): Get {
  const trust = { secureContext: createSecureContext({ ca: ca ?? [...rootCertificates], minVersion: 'TLSv1.2' }), rejectUnauthorized: true }
  return async (text, signal) => {
    const url = checkedUrl(text)
    const send = url.protocol === 'https:' ? tlsRequest : plainRequest
    try {
      const answer = await new Promise<IncomingMessage>((resolve, reject) => {
        // An answer that switches protocols is followed by 'close' alone.
        send(url, { ...trust, agent: false, headers: HEADERS, insecureHTTPParser: false, signal }, resolve).on('error', reject).on('close', reject).end()
      })
      return { bytes: await bodyOf(answer), cacheControl: answer.headers['cache-control'] ?? '' }
    } catch (error) {
      if (error instanceof IdentityError) throw error
      if (signal.aborted) throw new IdentityError('IDENTITY_FETCH_TIMEOUT', 'the answer did not come in time')
      throw new IdentityError('IDENTITY_FETCH_FAILED', 'the answer did not come', (error as NodeJS.ErrnoException | undefined)?.code)
    }
  }
}

/** A URL that keys may come from, over TLS or from this very host; anything else is thrown out with `IDENTITY_URL_REFUSED`. */
export function checkedUrl(text: string): URL {
  // Nothing that a parser would drop or turn into something else.
  if (/^https?:\/\/[!-~]+$/.test(text) && !/[\\#]/.test(text) && URL.canParse(text)) {
    const url = new URL(text)
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname)
    if (url.username + url.password === '' && (url.protocol === 'https:' || loopback)) return url
  }
  throw new IdentityError('IDENTITY_URL_REFUSED', 'keys come from an https:// URL (http:// for a loopback host only) without user or fragment')
}

async function bodyOf(answer: IncomingMessage): Promise<Buffer> {
  try {
    const { statusCode, headers: { 'content-encoding': encoding = 'identity' } } = answer
    if (statusCode !== 200) throw new IdentityError('IDENTITY_FETCH_STATUS', 'the answer is not 200', `status ${statusCode}`)
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

import { request as httpRequest } from 'node:http'
import { isIPv6, type Socket } from 'node:net'
import { Secret } from '../secret/index.ts'
import { UpstreamError } from './errors.ts'

/** A host and port to connect to. */
export interface Place {
  readonly secure: boolean
  /** Without the brackets of an IPv6 address. */
  readonly hostname: string
  readonly port: number
  /** Of a Unix socket, in place of host and port. */
  readonly path?: string
}

/** The HTTP proxy through which a network lets its hosts out. */
export interface EgressProxy extends Place {
  /** Value of `Proxy-Authorization`. */
  readonly authorization: Secret | undefined
}

/** Where a URL leads. */
export function placeOf({ protocol, hostname, port }: URL): Place {
  const secure = protocol === 'https:'
  return { secure, hostname: hostname.replace(/^\[|\]$/g, ''), port: Number(port || (secure ? 443 : 80)) }
}

/** @param text - `unix:` and a path, or an `http://` or `https://` URL; a user and password in it are percent-encoded (RFC 3986 section 3.2.1). */
export function egressProxy(text: Secret): EgressProxy {
  const [, path] = /^unix:(.*)$/.exec(text.reveal()) ?? []
  if (path !== undefined) return { secure: false, hostname: 'localhost', port: 0, path, authorization: undefined }
  const url = new URL(text.reveal())
  const [user, password] = [url.username, url.password].map(decodeURIComponent)
  const authorization = url.username === '' ? undefined : new Secret(`Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`)
  return { ...placeOf(url), authorization }
}

// What is on this host or beside it: the metadata services of EC2, ECS and EKS, a stand-in. A proxy would reach its own.
const NEAR = /^(?:localhost|127(?:\.\d+){3}|::1|169\.254(?:\.\d+){2}|fe[89ab][\da-f]:.*|fd00:ec2:.*)$/i

/** Whether a host is reached without a proxy, whatever is configured. */
export const isNear = (hostname: string): boolean => NEAR.test(hostname)

/**
 * Asks an egress proxy for a tunnel (RFC 9110 section 9.3.6).
 *
 * @param bare - A connection to the proxy. It becomes the tunnel.
 * @throws UpstreamError - `UPSTREAM_UNREACHABLE`, with the status of the refusal.
 */
export function openTunnel(bare: Socket, { hostname, port }: Place, { authorization }: EgressProxy): Promise<Socket> {
  const target = `${isIPv6(hostname) ? `[${hostname}]` : hostname}:${port}`
  const fields = ['Host', target, 'Connection', 'keep-alive', ...(authorization === undefined ? [] : ['Proxy-Authorization', authorization.reveal()])]
  return new Promise((resolve, reject) => {
    const request = httpRequest({ createConnection: () => bare, method: 'CONNECT', path: target, headers: fields, setHost: false, insecureHTTPParser: false })
    const refuse = (message: string, cause?: unknown) => {
      bare.destroy()
      reject(new UpstreamError('UPSTREAM_UNREACHABLE', message, cause))
    }
    request.on('connect', ({ statusCode = 0 }, _socket, head) => {
      if (statusCode < 200 || statusCode > 299) return refuse(`the egress proxy refused the tunnel with status ${statusCode}`)
      // Who is behind the tunnel waits for us to speak.
      if (head.length > 0) return refuse('the egress proxy said more than it was asked')
      resolve(bare)
    })
    request.on('error', (error) => refuse('the egress proxy gave no answer', error)).end()
  })
}

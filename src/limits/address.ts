import { Secret } from '../secret/index.ts'

/** Where a Redis is, and as whom it is spoken to. */
export interface RedisAddress {
  readonly host: string
  readonly port: number
  readonly tls: boolean
  readonly user: string | undefined
  readonly password: Secret | undefined
  readonly db: number
}

/** @param url - `redis://` or `rediss://` (TLS), with `user:password@` before the host and `/db` behind it where needed. */
export function redisAddress(url: Secret): RedisAddress {
  const { protocol, hostname, port, username, password, pathname } = new URL(url.reveal())
  return {
    host: hostname.replace(/^\[|\]$/g, ''), port: Number(port || 6379), tls: protocol === 'rediss:', db: Number(pathname.slice(1)),
    user: username === '' ? undefined : decodeURIComponent(username), password: password === '' ? undefined : new Secret(decodeURIComponent(password)),
  }
}

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto'

// A browser keeps 4096 bytes of a cookie, its name and attributes among them; a token with many groups takes several.
const [CHUNK, MAX_CHUNKS] = [3800, 6]
const [IV_BYTES, TAG_BYTES] = [12, 16]

/**
 * What a browser keeps for us: values that nobody but us can read, change, keep for longer or use in place of another.
 *
 * AES-256-GCM; the name of the cookie is part of what is authenticated, the time when it ends part of what is sealed.
 */
export class SealedCookies {
  readonly #key: Buffer
  readonly #secure: boolean

  /**
   * @param secret - Shared by the proxies behind one name; without it cookies are good for this process alone.
   * @param secure - Whether browsers come by https: then no other host can set such a cookie (RFC 6265bis section 4.1.3.2).
   */
  constructor(secret: string | undefined, secure: boolean) {
    this.#key = Buffer.from(hkdfSync('sha256', secret ?? randomBytes(32), '', 'bedrock-sso-proxy cookies', 32))
    this.#secure = secure
  }

  /** Header fields that give the browser a cookie; `undefined` where the value is too large for one. */
  set(name: string, value: object, untilMs: number, nowMs: number): string[] | undefined {
    const sealed = this.#seal(name, JSON.stringify({ value, untilMs }))
    const chunks = sealed.match(new RegExp(`.{1,${CHUNK}}`, 'g')) ?? []
    if (chunks.length > MAX_CHUNKS) return undefined
    const fields = chunks.flatMap((chunk, i) => this.#field(`${name}-${i}`, chunk, Math.max(0, Math.floor((untilMs - nowMs) / 1000))))
    // What is left of a longer one would be read as its end.
    return [...fields, ...this.#field(`${name}-${chunks.length}`, '', 0)]
  }

  /** Header fields that take a cookie back. */
  clear(name: string): string[] {
    return Array.from({ length: MAX_CHUNKS }, (_, i) => this.#field(`${name}-${i}`, '', 0)).flat()
  }

  /** The value of a cookie in the `Cookie` header; `undefined` where it is none of ours, or its time is over. */
  get(header: string | undefined, name: string, nowMs: number): unknown {
    const given = cookiesIn(header)
    let sealed = ''
    for (let i = 0; i < MAX_CHUNKS; i++) {
      const chunk = given.get(this.#nameOf(`${name}-${i}`))
      if (chunk === undefined) break
      sealed += chunk
    }
    const text = this.#open(name, Buffer.from(sealed, 'base64url'))
    if (text === undefined) return undefined
    const { value, untilMs } = JSON.parse(text) as { value: unknown; untilMs: number }
    return nowMs < untilMs ? value : undefined
  }

  #field(name: string, value: string, lifetimeS: number): string[] {
    return ['Set-Cookie', `${this.#nameOf(name)}=${value}; Path=/; Max-Age=${lifetimeS}; HttpOnly; SameSite=Lax${this.#secure ? '; Secure' : ''}`]
  }

  #nameOf(name: string): string {
    return `${this.#secure ? '__Host-' : ''}bedrock-sso-${name}`
  }

  #seal(name: string, text: string): string {
    const iv = randomBytes(IV_BYTES)
    const cipher = createCipheriv('aes-256-gcm', this.#key, iv).setAAD(Buffer.from(name))
    return Buffer.concat([iv, cipher.update(text), cipher.final(), cipher.getAuthTag()]).toString('base64url')
  }

  #open(name: string, sealed: Buffer): string | undefined {
    if (sealed.length <= IV_BYTES + TAG_BYTES) return undefined
    const decipher = createDecipheriv('aes-256-gcm', this.#key, sealed.subarray(0, IV_BYTES)).setAAD(Buffer.from(name))
    decipher.setAuthTag(sealed.subarray(-TAG_BYTES))
    try {
      return Buffer.concat([decipher.update(sealed.subarray(IV_BYTES, -TAG_BYTES)), decipher.final()]).toString()
    } catch {
      return undefined
    }
  }
}

/** Lines of HTTP/2 and lines that were joined come with commas (RFC 9113 section 8.2.3). */
function cookiesIn(header = ''): ReadonlyMap<string, string> {
  const pairs = header.split(/[;,]\s*/).map((pair) => [pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1)] as const)
  return new Map(pairs)
}

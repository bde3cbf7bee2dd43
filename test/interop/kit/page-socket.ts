import type { Page } from 'playwright-core'

/** An event of a socket in the page, as it crosses over; bytes are in base64. */
interface Told {
  readonly type: 'open' | 'message' | 'error' | 'close'
  readonly protocol: string
  readonly data?: string
  readonly bytes?: string
  readonly code?: number
  readonly reason?: string
}

declare global {
  /** In the page. */
  var sockets: WebSocket[]
  var tell: (id: number, told: Told) => void
}

/** The `WebSocket` of a page of a real browser, as if it were here. */
export class PageSocket extends EventTarget {
  protocol = ''
  readonly #page: Page
  readonly #id: number

  constructor(page: Page, id: number) {
    super()
    this.#page = page
    this.#id = id
  }

  send(data: unknown): void {
    if (typeof data === 'string') void this.#page.evaluate(([id, text]) => globalThis.sockets[id]!.send(text), [this.#id, data] as const)
    else void this.#page.evaluate(([id, bytes]) => globalThis.sockets[id]!.send(Uint8Array.from(atob(bytes), (byte) => byte.charCodeAt(0))), [this.#id, Buffer.from(data as Uint8Array).toString('base64')] as const)
  }

  close(code: number): void {
    void this.#page.evaluate(([id, code]) => globalThis.sockets[id]!.close(code), [this.#id, code] as const)
  }

  hear({ type, protocol, bytes, ...event }: Told): void {
    this.protocol = protocol
    this.dispatchEvent(Object.assign(new Event(type), event, bytes !== undefined && { data: Uint8Array.from(Buffer.from(bytes, 'base64')).buffer }))
  }
}

/** Makes sockets in the page. What it tells comes in the order in which it happened. */
export async function pageSockets(page: Page): Promise<(url: string, protocols: readonly string[]) => PageSocket> {
  const sockets: PageSocket[] = []
  await page.exposeFunction('tell', (id: number, told: Told) => sockets[id]!.hear(told))
  await page.evaluate(() => { globalThis.sockets = [] })
  return (url, protocols) => {
    const id = sockets.push(new PageSocket(page, sockets.length)) - 1
    void page.evaluate(([id, url, protocols]) => {
      const socket = globalThis.sockets[id] = new WebSocket(url, [...protocols])
      socket.binaryType = 'arraybuffer'
      // No function here has a name: what tsx makes of those is not to be had in the page.
      for (const type of ['open', 'message', 'error', 'close'] as const) {
        socket.addEventListener(type, (event) => {
          const { data, code, reason } = event as MessageEvent & CloseEvent
          globalThis.tell(id, { type, protocol: socket.protocol, code, reason, ...(data instanceof ArrayBuffer ? { bytes: btoa(String.fromCharCode(...new Uint8Array(data))) } : { data }) })
        })
      }
    }, [id, url, protocols] as const)
    return sockets[id]!
  }
}

import { ask, type Got, type Protocol } from './client.ts'

/** What of a browser matters to a sign-in: it keeps cookies and gives them back. */
export class Browser {
  readonly cookies = new Map<string, string>()
  readonly #port: number
  readonly #protocol: Protocol

  constructor(port: number, protocol: Protocol = 'HTTP/1.1') {
    this.#port = port
    this.#protocol = protocol
  }

  async go(path: string, method = 'GET', headers: Readonly<Record<string, string>> = {}): Promise<Got> {
    const cookie = [...this.cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const got = await ask(this.#protocol, this.#port, path, { method, headers: { ...headers, ...(cookie !== '' && { cookie }) } })
    for (const line of [got.headers['set-cookie'] ?? []].flat()) {
      const [, name = '', value = '', age = ''] = /^([^=]+)=([^;]*);.*Max-Age=(\d+)/.exec(line) ?? []
      if (age === '0') this.cookies.delete(name)
      else this.cookies.set(name, value)
    }
    return got
  }
}

import { existsSync } from 'node:fs'
import { after } from 'node:test'
import { type Browser, type BrowserContext, type BrowserContextOptions, chromium } from 'playwright-core'

/** Where it is; `undefined` where there is none. */
export const CHROMIUM = ['/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'].find((path) => existsSync(path))

let started: Promise<Browser> | undefined
after(async () => (await started)?.close())

/** Somebody with a real browser of their own, who takes certificates that are signed by themselves for good. */
export async function browserContext(options: BrowserContextOptions = {}): Promise<BrowserContext> {
  started ??= chromium.launch({ executablePath: CHROMIUM!, args: ['--no-sandbox', '--no-proxy-server'] })
  return (await started).newContext({ ignoreHTTPSErrors: true, ...options })
}

import { spawn } from 'node:child_process'
import type { Terminal } from './command.ts'

const OPENERS: Readonly<Record<string, readonly string[]>> = { darwin: ['open'], win32: ['rundll32', 'url.dll,FileProtocolHandler'], linux: ['xdg-open'] }

/** Shows a page to the person at this machine, where there is a way to. The URL is one argument, and no shell sees it. */
export function openBrowser(url: string, { BROWSER: browser, DISPLAY: x11, WAYLAND_DISPLAY: wayland }: Terminal['env']): void {
  const [program, ...args] = browser ? [browser] : OPENERS[process.platform] ?? ['xdg-open']
  // Without a screen a browser of text would take the terminal.
  if (!browser && process.platform === 'linux' && !x11 && !wayland) return
  spawn(program!, [...args, url], { stdio: 'ignore', detached: true }).on('error', () => undefined).unref()
}

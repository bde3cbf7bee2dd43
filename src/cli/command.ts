/** What a command needs of its process. */
export interface Terminal {
  readonly env: Readonly<Record<string, string | undefined>>
  readonly stdout: Output
  readonly stderr: { write(text: string): unknown }
  readonly versions: { readonly node: string; readonly openssl: string }
  readonly pid: number
  cwd(): string
  exit(code: number): void
  on(signal: NodeJS.Signals, listener: () => void): unknown
}

export interface Output {
  /** Bytes that are written and that nobody has taken yet. */
  readonly writableLength: number
  write(text: string): unknown
  on(event: 'error', listener: () => void): unknown
  once(event: 'drain', listener: () => void): unknown
}

export interface Command {
  readonly usage: string
  /** What it does, in one sentence. */
  readonly text: string
  /** @returns The exit code. */
  readonly run: (args: readonly string[], process: Terminal) => Promise<number>
}

/** sysexits.h EX_CONFIG: systemd does not restart for it where the unit says so. */
export const EXIT_CONFIG = 78

/** A text that strangers chose as it may go to a terminal: nothing in it steers one, or passes for another. */
export const printable = (text: string): string => text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, '\ufffd')

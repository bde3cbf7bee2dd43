import { execFile, type ExecFileException } from 'node:child_process'
import { credentialsFrom, jsonAnswer } from './answer.ts'
import { type Credentials, CredentialsError } from './source.ts'
import type { World } from './world.ts'

/** Runs a program and gives what it printed. @throws CredentialsError - where it could not be started or did not end well. */
export type Run = (argv: readonly string[], env: World['env'], closing: AbortSignal) => Promise<string>

/** Credentials that a program prints (`credential_process`), where the configuration allows it to be run. */
export async function fromProcess(command: string, { run, env, closing }: World): Promise<Credentials> {
  if (run === undefined) throw new CredentialsError('CREDENTIALS_UNSUPPORTED', 'the profile gets its credentials through credential_process, which aws.allow_credential_process does not allow')
  // What is for the proxy alone, its secrets among it, is no business of the program.
  const passed = Object.fromEntries(Object.entries(env).filter(([name]) => !name.includes('__')))
  const { Version, AccessKeyId, SecretAccessKey, SessionToken, Expiration } = jsonAnswer(await run(commandWords(command), passed, closing))
  if (Version !== 1) throw new CredentialsError('CREDENTIALS_INVALID', 'the answer of credential_process is not of Version 1')
  return credentialsFrom({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken ?? undefined, expiration: Expiration ?? undefined })
}

const TIMEOUT_MS = 30_000
const MAX_BYTES = 65_536

/** Runs it without a shell: nothing of a profile is ever read by one. */
export const runProcess = ([file = '', ...args]: readonly string[], env: World['env'], closing: AbortSignal, timeout = TIMEOUT_MS): Promise<string> => new Promise((resolve, reject) => {
  const options = { env, signal: closing, timeout, maxBuffer: MAX_BYTES, killSignal: 'SIGKILL', windowsHide: true } as const
  const child = execFile(file, args, options, (error, stdout) => (error === null ? resolve(stdout) : reject(failureOf(error))))
  child.stdin?.end()
})

function failureOf({ code, killed }: ExecFileException): CredentialsError {
  if (typeof code === 'number') return new CredentialsError('CREDENTIALS_REFUSED', `credential_process ended with ${code}`)
  if (code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER') return new CredentialsError('CREDENTIALS_INVALID', 'credential_process printed too much')
  if (killed === true) return new CredentialsError('CREDENTIALS_TIMEOUT', 'credential_process did not end in time')
  return new CredentialsError('CREDENTIALS_INVALID', `credential_process did not run (${code ?? 'killed'})`)
}

/**
 * The words of a command, by the rules of a POSIX shell for blanks, quotes and backslashes and for nothing else, as botocore
 * splits it: `$HOME`, `|` and `;` are ordinary characters.
 *
 *     commandWords(`helper --role "my role"`)  // ['helper', '--role', 'my role']
 */
export function commandWords(command: string): readonly string[] {
  const words = [...command.matchAll(WORD)]
  if (words.length === 0 || words.map(([word]) => word).join('') !== command) throw new CredentialsError('CREDENTIALS_INVALID', 'a quote of credential_process is not closed')
  return words.map(([, word]) => word).filter((word) => word !== undefined).map((word) => word.replace(PIECE, unquoted))
}

/** A word and the blanks behind it, or blanks alone. */
const WORD = /((?:'[^']*'|"(?:[^"\\]|\\[^])*"|\\[^]|[^\s'"\\])+)\s*|\s+/g
const PIECE = /'([^']*)'|"((?:[^"\\]|\\[^])*)"|\\([^])/g

function unquoted(_piece: string, single?: string, double?: string, escaped?: string): string {
  return single ?? double?.replace(/\\(["\\])/g, '$1') ?? escaped!
}

import { randomUUID } from 'node:crypto'
import { closeSync, constants, fstatSync, mkdirSync, openSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { JsonError, parseJson } from '../json/index.ts'
import { JwtError, parseClaims, parseCompact } from '../jwt/index.ts'
import type { LoginFacts } from '../server/index.ts'
import type { Terminal } from './command.ts'

/** A sign-in on this machine, kept in a file of its own. */
export interface Session {
  /** What it is for: the address of a proxy, or, without one, of an issuer. */
  readonly name: string
  readonly isProxy: boolean
  readonly login: LoginFacts
  /** Authorities to trust on the way to the issuer. */
  readonly caFile: string | undefined
  readonly subject: string | undefined
  /** What clients show, a JWT. */
  readonly token: string
  readonly refreshToken: string | undefined
}

/** What keeps a command from going on, in words for people. */
export class SessionError extends Error {
  override readonly name = 'SessionError'
}

const MAX_TOKEN_BYTES = 32_768
const [LOCK_POLL_MS, LOCK_MS] = [50, 60_000]

/** The sign-ins of a person, under the folder for configurations. */
export class Sessions {
  readonly #folder: string

  constructor({ XDG_CONFIG_HOME: config, HOME: home }: Terminal['env']) {
    if (!config && !home) throw new SessionError('neither XDG_CONFIG_HOME nor HOME says where sign-ins are kept')
    this.#folder = join(config || join(home!, '.config'), 'bedrock-sso-proxy')
  }

  /**
   * The sign-in that is meant: the one of this name, or else the only one.
   *
   * @throws SessionError - where there is none, or where others could read it.
   */
  read(name: string | undefined): Session {
    const names = name === undefined ? this.#names() : [name]
    if (names.length > 1) throw new SessionError(`say which one is meant: ${names.map((one) => `--proxy ${one}`).join(', ')}`)
    if (names[0] === undefined) throw new SessionError('you are not signed in: bedrock-sso-proxy login --proxy URL')
    return parsed(readOwn(this.#pathOf(names[0])), names[0])
  }

  /** Puts a sign-in in the place of the one before, whole or not at all; within `alone`. */
  write(session: Session): void {
    const path = this.#pathOf(session.name)
    const draft = `${path}.${randomUUID()}`
    writeFileSync(draft, JSON.stringify(session), { flag: 'wx', mode: 0o600 })
    renameSync(draft, path)
  }

  /** Does something while no other process does the same: a refresh token that is used twice ends the sign-in with many issuers. */
  async alone<T>(name: string, work: () => Promise<T>): Promise<T> {
    mkdirSync(this.#folder, { recursive: true, mode: 0o700 })
    const lock = `${this.#pathOf(name)}.lock`
    await takeLock(lock)
    try {
      return await work()
    } finally {
      rmSync(lock, { force: true })
    }
  }

  #pathOf(name: string): string {
    return join(this.#folder, `${encodeURIComponent(name)}.json`)
  }

  #names(): string[] {
    try {
      return readdirSync(this.#folder).filter((file) => file.endsWith('.json')).map((file) => decodeURIComponent(file.slice(0, -'.json'.length)))
    } catch {
      return []
    }
  }
}

/** The seconds since 1970 at which a token ends; `undefined` where it is no JWT, or does not say. */
export function endOf(token: string): number | undefined {
  try {
    const { exp } = parseClaims(parseCompact(token, MAX_TOKEN_BYTES))
    return typeof exp === 'number' ? exp : undefined
  } catch (error) {
    if (error instanceof JwtError) return undefined
    throw error
  }
}

/** The text of a file that nobody else can read or put there. */
function readOwn(path: string): string {
  let file: number
  try {
    file = openSync(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new SessionError(code === 'ENOENT' ? 'you are not signed in there: bedrock-sso-proxy login --proxy URL' : `${path} cannot be read (${code})`)
  }
  try {
    const { mode, uid } = fstatSync(file)
    if ((mode & 0o077) !== 0 || uid !== process.getuid?.()) throw new SessionError(`${path} is open to others: remove it, and sign in again`)
    return readFileSync(file, 'utf8')
  } finally {
    closeSync(file)
  }
}

function parsed(text: string, name: string): Session {
  try {
    const session = parseJson(text) as Session
    if (typeof session.token === 'string' && session.name === name) return session
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
  }
  throw new SessionError('what was kept of the sign-in is damaged: sign in again')
}

async function takeLock(path: string): Promise<void> {
  for (const untilMs = Date.now() + LOCK_MS; Date.now() < untilMs;) {
    try {
      return writeFileSync(path, String(process.pid), { flag: 'wx', mode: 0o600 })
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw new SessionError(`${path} cannot be written (${(error as NodeJS.ErrnoException).code})`)
    }
    if (isAbandoned(path)) rmSync(path, { force: true })
    else await new Promise((resolve) => { setTimeout(resolve, LOCK_POLL_MS) })
  }
  throw new SessionError(`another process is at it for too long: if there is none, remove ${path}`)
}

/** Whether the process that holds it has ended. One that has not yet written its number has only just come. */
function isAbandoned(path: string): boolean {
  try {
    const pid = readFileSync(path, 'utf8')
    if (pid !== '') process.kill(Number(pid), 0)
    return false
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH'
  }
}

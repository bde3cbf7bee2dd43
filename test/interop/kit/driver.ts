import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after } from 'node:test'
import type { Ask, Digest, Said, Shown } from './client.ts'
import { PYTHON } from './python.ts'
import { REGION } from './signature.ts'
import { certificate, folder } from './world.ts'

const HERE = join(import.meta.dirname, '..')

/** How a client is given a token: as a Bedrock API key, or as the session token of keys that are nobody's. */
export type Identity = 'bearer' | 'session token'

/** A program in another language that asks with a client of that language. `python/driver.py` has the words that are spoken with it. */
export class Driver {
  readonly #command: readonly string[]
  readonly #identity: Identity
  /** SDKs take tokens out of their environment whenever they like: each token has a process of its own. */
  readonly #byToken = new Map<string | undefined, DriverProcess>()

  private constructor(command: readonly string[], identity: Identity) {
    this.#command = command
    this.#identity = identity
    // They end when there is nothing more to read.
    after(() => this.#byToken.forEach((one) => one.end()))
  }

  static python = (script: string, identity: Identity): Driver => new Driver([PYTHON, join(HERE, 'python', script)], identity)
  static go = (name: string, identity: Identity): Driver => new Driver([join(HERE, '.tmp', name)], identity)

  /** Has `client` ask. What `heard` throws makes it leave. */
  ask(client: string, how: 'say' | 'stream', ask: Ask, heard?: () => void): Promise<Said> {
    const one = this.#byToken.get(ask.token) ?? new DriverProcess(this.#command, environment(this.#identity, ask.token))
    this.#byToken.set(ask.token, one)
    return one.ask(client, how, ask, heard)
  }
}

/** Nothing of the machine's own accounts and proxies may reach the clients. */
export const ENVIRONMENT = {
  PATH: process.env.PATH, HOME: folder, LANG: 'C.UTF-8', PYTHONDONTWRITEBYTECODE: '1',
  AWS_REGION: REGION, AWS_DEFAULT_REGION: REGION, AWS_EC2_METADATA_DISABLED: 'true',
  AWS_CA_BUNDLE: certificate().certFile, SSL_CERT_FILE: certificate().certFile,
}

/** Who has no token may well have AWS keys. */
function environment(identity: Identity, token: string | undefined): Readonly<Record<string, string | undefined>> {
  if (identity === 'bearer' && token !== undefined) return { AWS_BEARER_TOKEN_BEDROCK: token }
  return { AWS_ACCESS_KEY_ID: 'AKIDOFTHEUSER', AWS_SECRET_ACCESS_KEY: 'of the user', AWS_SESSION_TOKEN: token }
}

/** A line that a driver writes; one of the members beside `id`. */
interface Line {
  readonly id: number
  readonly sent?: Digest
  readonly answered?: { readonly status: number; readonly headers: Readonly<Record<string, string>> }
  readonly heard?: true
  readonly said?: Said
  readonly error?: Shown
}

class DriverProcess {
  readonly #child: ChildProcess
  readonly #open = new Map<number, (line: Line) => void>()
  #next = 1

  constructor([program = '', ...args]: readonly string[], identity: Readonly<Record<string, string | undefined>>) {
    if (!existsSync(program)) throw new Error(`${program} is not there: run test/interop/install`)
    this.#child = spawn(program, args, { env: { ...ENVIRONMENT, ...identity }, stdio: ['pipe', 'pipe', 'inherit'] })
    createInterface(this.#child.stdout!).on('line', (text) => {
      const line = JSON.parse(text) as Line
      this.#open.get(line.id)?.(line)
    })
    this.#child.once('close', (code) => this.#open.forEach((told, id) => told({ id, error: { error: 'DriverEnded', message: `exit code ${code}` } })))
  }

  end(): void {
    this.#child.stdin!.end()
  }

  ask(client: string, how: 'say' | 'stream', { tap, ca: _inEnvironment, ...question }: Ask, heard: () => void = () => undefined): Promise<Said> {
    const id = this.#next++
    return new Promise((resolve, reject) => {
      let thrown: Error | undefined
      this.#open.set(id, ({ sent, answered, heard: event, said, error }) => {
        try {
          if (sent !== undefined) tap.sent(sent)
          if (answered !== undefined) tap.answered(answered.status, answered.headers)
          if (event === true) heard()
        } catch (error) {
          thrown = error as Error
        }
        if (event === true) this.#write({ id, on: thrown === undefined })
        if (said === undefined && error === undefined) return
        this.#open.delete(id)
        if (thrown !== undefined) reject(thrown)
        else if (said !== undefined) resolve({ text: said.text, tool: said.tool ?? undefined })
        else reject(new Raised(error!))
      })
      this.#write({ id, client, how, ...question })
    })
  }

  #write(line: object): void {
    this.#child.stdin!.write(`${JSON.stringify(line)}\n`)
  }
}

/** What a client in another language raised. */
class Raised extends Error {
  readonly shown: Shown

  constructor(shown: Shown) {
    super(`${shown.error}: ${shown.message}`)
    this.shown = shown
  }
}

/** How every driver shows what its client raised. */
export const showRaised = (error: unknown): Shown => (error instanceof Raised ? error.shown : { error: (error as Error).name, message: (error as Error).message })

import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'
import { Agent, fetch } from 'undici'
import { type Environment, Program } from './program.ts'
import { ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY } from './signature.ts'
import { beginThen, StandIn } from './standin.ts'
import { ISSUER, JWT_SECRET, TOKENS } from './token.ts'

// Nothing of the machine's own accounts and proxies may reach the clients.
for (const name of Object.keys(process.env)) if (/^(?:AWS|ANTHROPIC)_|_PROXY$/i.test(name)) delete process.env[name]
process.env.AWS_EC2_METADATA_DISABLED = 'true'

// A client that hangs in a failed test must not hang the run.
after(() => setTimeout(() => process.exit(), 5000).unref())

/** A folder that is gone when the process is. */
export const folder = mkdtempSync(join(tmpdir(), 'interop-'))
process.once('exit', () => rmSync(folder, { recursive: true, force: true }))

export const bedrock = await StandIn.start()

const KEYS = { AWS_ACCESS_KEY_ID: ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY: SECRET_ACCESS_KEY }

/** How the program can be set up: what differs from the usual. */
const SETUPS = {
  usual: {},
  /** Nothing listens on port 1. */
  unreachable: { AWS__ENDPOINT: 'http://127.0.0.1:1', AWS__MANTLE_ENDPOINT: 'http://127.0.0.1:1' },
  hasty: { AWS__TIMEOUTS__FIRST_BYTE: '300ms' },
  /** Ends at once when it is told to. */
  brief: { SERVER__DRAIN_TIMEOUT: '0s' },
  restless: { AWS__TIMEOUTS__IDLE: '300ms' },
  forbidding: { POLICY__DEFAULT: 'deny' },
  spent: { LIMITS__DEFAULT__USD_PER_MONTH: '0' },
  /** With one call that does not end before AWS does. */
  busy: { LIMITS__DEFAULT__CONCURRENT: '1' },
  keyless: { AWS_ACCESS_KEY_ID: undefined, AWS_SECRET_ACCESS_KEY: undefined, AWS_EC2_METADATA_DISABLED: 'true', HOME: '/nonexistent' },
} as const

export type SetupName = keyof typeof SETUPS

const shared = new Map<string, Promise<Program>>()
const all: Promise<Program>[] = []

/** The program in one of its setups; started when it is first asked for, and shared by all but those who will end it. */
export function program(setup: SetupName, secure: boolean): Promise<Program> {
  if (setup === 'brief') return freshProgram(SETUPS.brief, secure)
  const name = `${setup} ${secure}`
  const running = shared.get(name) ?? (setup === 'busy' ? busyProgram(secure) : freshProgram(SETUPS[setup], secure))
  shared.set(name, running)
  return running
}

async function busyProgram(secure: boolean): Promise<Program> {
  const running = await freshProgram(SETUPS.busy, secure)
  bedrock.script('interop.busy', beginThen(1, () => undefined))
  const init = { method: 'POST', headers: { authorization: `Bearer ${TOKENS.good}` }, body: '{}', ...(secure && { dispatcher: new Agent({ connect: { ca: certificate().pem } }) }) }
  const { body } = await fetch(`${running.url}/model/interop.busy/converse-stream`, init)
  void body!.getReader().read().catch(() => undefined)
  return running
}

/** The program with more settings, for one test alone. */
export function freshProgram(more: Environment, secure: boolean): Promise<Program> {
  const tls = secure ? { SERVER__TLS__CERT_FILE: certificate().certFile, SERVER__TLS__KEY_FILE: certificate().keyFile } : {}
  const started = Program.start({ SERVER__PORT: '0', ADMIN__PORT: '0', JWT__SECRET: JWT_SECRET, JWT__ISSUER: ISSUER, AWS__REGION: REGION, AWS__ENDPOINT: bedrock.url, AWS__MANTLE_ENDPOINT: bedrock.mantleUrl, ...KEYS, ...tls, ...more })
  all.push(started)
  return started
}

/** Every program that was started. */
export const startedPrograms = (): Promise<Program[]> => Promise.all(all)

interface Certificate {
  readonly certFile: string
  readonly keyFile: string
  readonly pem: string
}

let made: Certificate | undefined

/** A certificate for this machine, signed by itself. */
export function certificate(): Certificate {
  if (made !== undefined) return made
  const certFile = join(folder, 'cert.pem')
  const keyFile = join(folder, 'key.pem')
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2', ...subject, '-keyout', keyFile, '-out', certFile], { stdio: 'pipe' })
  made = { certFile, keyFile, pem: readFileSync(certFile, 'utf8') }
  return made
}

import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import { parseArgs } from 'node:util'
import { freePort, startStandIn } from '../demo/index.ts'
import { createLog } from '../log/index.ts'
import { type Command, EXIT_CONFIG, type Terminal } from './command.ts'
import { callsToPaste, signInToPaste } from './paste.ts'
import { type Provider, ProviderError, startProvider } from './provider.ts'
import { type Running, start } from './running.ts'
import { readSetup, type Setup } from './setup.ts'
import { mint } from './token.ts'

const TOKEN_LIFETIME_S = 3600

/** Keys that no AWS account has: both sides of the demo make them up together. */
const AWS_KEYS = { accessKeyId: 'AKIADEMODEMODEMODEMO', region: 'us-east-1' }

const OPTIONS = { port: { type: 'string', default: '3000' }, sso: { type: 'boolean', default: false }, verbose: { type: 'boolean', default: false } } as const

/** Whom the demo believes, what they may do, and how they are told of it. */
interface Access {
  readonly env: (port: string) => Readonly<Record<string, string>>
  /** What a configuration says beside it. */
  readonly file: string
  readonly instructions: (url: string) => string
  readonly stop: () => Promise<unknown>
}

export const demo: Command = {
  usage: 'demo [--port PORT] [--sso] [--verbose]',
  text: 'runs the proxy before a stand-in for Bedrock, on loopback only, and prints calls to try; with --sso people sign in, with an OpenID provider that a checkout of the sources brings',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: OPTIONS })
    try {
      const access = values.sso ? signIns(await startProvider(entry())) : minted()
      await demonstrate(access, values, process).finally(access.stop)
      return 0
    } catch (error) {
      if (!(error instanceof ProviderError)) throw error
      process.stderr.write(`${error.message}\n`)
      return EXIT_CONFIG
    }
  },
}

async function demonstrate(access: Access, { port, verbose }: { readonly port: string; readonly verbose: boolean }, process: Terminal): Promise<void> {
  const secretAccessKey = randomBytes(30).toString('base64')
  const standIn = await startStandIn({ ...AWS_KEYS, secretAccessKey, wordMs: 120 })
  const log = createLog({ level: verbose ? 'info' : 'warn', format: 'text', nowMs: Date.now, write: (line) => process.stdout.write(line) })
  const running = await onFreePort(port, (port) => {
    const env = {
      SERVER__HOST: '127.0.0.1', SERVER__PORT: port, ADMIN__PORT: '0', AWS__REGION: AWS_KEYS.region, AWS__ENDPOINT: standIn.url,
      AWS_ACCESS_KEY_ID: AWS_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey, ...access.env(port),
    }
    return start(demoSetup(env, access.file), env, log)
  })
  process.stdout.write(`
A proxy on ${running.url}, and behind it a stand-in for AWS Bedrock that checks every signature.
It listens on loopback only and knows no AWS account: this is not production.

${access.instructions(running.url)}
Ctrl-C ends it.
`)
  await new Promise<void>((resolve) => {
    for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve)
  })
  await running.stop()
  await standIn.close()
}

/** On the port asked for, else, where that is taken, on any. */
async function onFreePort(port: string, startOn: (port: string) => Promise<Running>): Promise<Running> {
  try {
    // Where people are sent back to names the port.
    return await startOn(port === '0' ? String(await freePort()) : port)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return startOn(String(await freePort()))
  }
}

/** Of a configuration that is on no disk. */
const FILE = '/demo.yaml'

/** Only what the demo itself sets counts: a configuration of the host has no say in it. */
function demoSetup(env: Terminal['env'], file: string): Setup {
  const read = readSetup({ config: FILE }, { env, cwd: () => '/' }, { exists: () => false, readText: (path) => (path === FILE ? file : ''), mode: () => 0 })
  if ('problems' in read) throw new Error(read.problems.join('\n'))
  return read.setup
}

function minted(): Access {
  const jwtSecret = randomBytes(48).toString('base64')
  return {
    env: () => ({ JWT__SECRET: jwtSecret, JWT__ISSUER: 'demo' }),
    file: '',
    instructions: (url) => callsToPaste(url, mint({ iss: 'demo', sub: 'alice', groups: ['demo'] }, jwtSecret, TOKEN_LIFETIME_S, Date.now())),
    stop: () => Promise.resolve(),
  }
}

/** So that the pages have something to show, and something can be refused. */
const RULES = `
server: { example_model: us.anthropic.claude-sonnet-4-5-20250929-v1:0 }
policy:
  rules:
    - { operations: [ListInferenceProfiles, GetInferenceProfile, ListFoundationModels, GetFoundationModel], effect: allow }
    - { groups: [engineering], models: ["anthropic.claude-*", "amazon.nova-*"], effect: allow }
limits:
  default: { requests_per_minute: 120, usd_per_day: 5 }
pricing:
  - { models: ["anthropic.claude-*"], input: 3, output: 15, cache_read: 0.3, cache_write: 3.75 }
  - { models: ["amazon.nova-*"], input: 1, output: 4 }
`

function signIns({ issuer, clientId, stop }: Provider): Access {
  return {
    env: (port) => ({
      JWT__ISSUER: issuer, JWT__AUDIENCE: clientId, SSO__ISSUER: issuer, SSO__CLIENT_ID: clientId, SSO__SCOPES: 'openid,profile,groups,offline_access',
      SSO__REDIRECT_URL: `http://127.0.0.1:${port}/sign-in/callback`,
    }),
    file: RULES,
    instructions: (url) => signInToPaste(url, dirname(entry())),
    stop,
  }
}

/** The file that this process runs. */
const entry = (): string => process.argv[1] ?? ''

import { randomBytes } from 'node:crypto'
import { parseArgs } from 'node:util'
import { startStandIn } from '../demo/index.ts'
import { createLog, type Log } from '../log/index.ts'
import type { Command, Terminal } from './command.ts'
import { type Running, start } from './running.ts'
import { readSetup, type Setup } from './setup.ts'
import { mint } from './token.ts'

const MODEL = 'anthropic.claude-3-haiku-20240307-v1:0'
const TALKING_MODEL = 'amazon.nova-2-sonic-v1:0'
/** Of the line that is pasted, into a Node of its own: nothing in this program may make one. */
const CLIENT = 'WebSocket'
const TOKEN_LIFETIME_S = 3600

/** Keys that no AWS account has: both sides of the demo make them up together. */
const AWS_KEYS = { accessKeyId: 'AKIADEMODEMODEMODEMO', region: 'us-east-1' }

export const demo: Command = {
  usage: 'demo [--port PORT] [--verbose]',
  text: 'runs the proxy before a stand-in for Bedrock, on loopback only, and prints calls to try',
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { port: { type: 'string', default: '3000' }, verbose: { type: 'boolean', default: false } } })
    const secretAccessKey = randomBytes(30).toString('base64')
    const standIn = await startStandIn({ ...AWS_KEYS, secretAccessKey, wordMs: 120 })
    const jwtSecret = randomBytes(48).toString('base64')
    const env = {
      SERVER__HOST: '127.0.0.1', ADMIN__PORT: '0', JWT__SECRET: jwtSecret, JWT__ISSUER: 'demo', AWS__REGION: AWS_KEYS.region, AWS__ENDPOINT: standIn.url,
      AWS_ACCESS_KEY_ID: AWS_KEYS.accessKeyId, AWS_SECRET_ACCESS_KEY: secretAccessKey,
    }
    const log = createLog({ level: values.verbose ? 'info' : 'warn', format: 'text', nowMs: Date.now, write: (line) => process.stdout.write(line) })
    const running = await startOnFreePort(values.port, env, log)
    const token = mint({ iss: 'demo', sub: 'alice', groups: ['demo'] }, jwtSecret, TOKEN_LIFETIME_S, Date.now())
    process.stdout.write(instructions(running.url, token))
    await new Promise<void>((resolve) => {
      for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, resolve)
    })
    await running.stop()
    await standIn.close()
    return 0
  },
}

/** On the port asked for, else, where that is taken, on any. */
async function startOnFreePort(port: string, env: Terminal['env'], log: Log): Promise<Running> {
  try {
    return await start(demoSetup({ ...env, SERVER__PORT: port }), env, log)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    return start(demoSetup({ ...env, SERVER__PORT: '0' }), env, log)
  }
}

/** Only what the demo itself sets counts: a configuration of the host has no say in it. */
function demoSetup(env: Terminal['env']): Setup {
  const read = readSetup({}, { env, cwd: () => '/' }, { exists: () => false, readText: () => '', mode: () => 0 })
  if ('problems' in read) throw new Error(read.problems.join('\n'))
  return read.setup
}

function instructions(url: string, token: string): string {
  const call = (operation: string, more = '') => `curl ${more}-H "Authorization: Bearer $TOKEN" -d '{"max_tokens":100,"anthropic_version":"bedrock-2023-05-31","messages":[{"role":"user","content":"Hello"}]}' \\\n  ${url}/model/${MODEL}/${operation}`
  return `
A proxy on ${url}, and behind it a stand-in for AWS Bedrock that checks every signature.
It listens on loopback only and knows no AWS account: this is not production.

A token for "alice", good for an hour:

export TOKEN=${token}

A call, answered at once:

${call('invoke')}

The same as server-sent events, word by word:

${call('invoke-with-response-stream', "-N -H 'Accept: text/event-stream' ")}

The same in the frames that the AWS SDKs read:

${call('invoke-with-response-stream', '-N --output - ')}

A conversation on a WebSocket, with Node 22 or later:

node -e '
  const socket = new ${CLIENT}("${url.replace('http', 'ws')}/model/${TALKING_MODEL}/invoke-with-bidirectional-stream", ["bedrock", "bearer." + process.env.TOKEN])
  socket.onopen = () => socket.send(JSON.stringify({ event: { textInput: { content: "Hello" } } }))
  socket.onmessage = ({ data }) => { console.log(data); if (data.includes("END_TURN")) socket.close() }'

Without a token:

curl -i -X POST ${url}/model/${MODEL}/invoke

Ctrl-C ends it.
`
}

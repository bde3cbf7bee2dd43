import { after, afterEach } from 'node:test'
import { encodeMessage, eventMessage } from '../../src/eventstream/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask, type Got, PROTOCOLS } from '../kit/client.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv, token } from '../kit/proxy.ts'

/** The Bedrock of all programs of a file. */
export const bedrock = await FakeBedrock.start()
after(() => bedrock.close())

const started: Program[] = []
afterEach(() => { for (const program of started.splice(0)) program.child.kill('SIGKILL') })

/** The real program before `bedrock`, until the test is over. */
export function serve(more: Readonly<Record<string, string | undefined>> = {}, args: readonly string[] = []): Program {
  const env = Object.fromEntries(Object.entries({ ...proxyEnv(bedrock), ...more }).filter(([, value]) => value !== undefined)) as Record<string, string>
  const program = new Program(['serve', ...args], env)
  started.push(program)
  return program
}

export const HELLO = encodeMessage(eventMessage('chunk', Buffer.from('{"bytes":"e30="}')))
export const authorization = () => `Bearer ${token()}`
export const STREAM = '/model/x/invoke-with-response-stream'

/** Streams that have begun: each answer is held open by the fake until `finish`. */
export async function beginStreams(port: number, count: number): Promise<{ answers: Promise<Got>[]; finish: () => void }> {
  const finishers: (() => void)[] = []
  const begun = new Promise<void>((resolve) => {
    bedrock.script = (_seen, response) => {
      response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).write(HELLO)
      finishers.push(() => response.end(HELLO))
      if (finishers.length === count) resolve()
    }
  })
  const answers = Array.from({ length: count }, (_, i) => ask(PROTOCOLS[i % 2]!, port, STREAM, { headers: { authorization: authorization() }, body: '{}' }))
  await begun
  return { answers, finish: () => { for (const finish of finishers) finish() } }
}

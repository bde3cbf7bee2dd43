import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import { after, before, describe, test } from 'node:test'

const ROOT = join(import.meta.dirname, '..', '..')
/** By npm, as the README has it, or of the binary that is named. */
const { BEDROCK_SSO_PROXY_BINARY: BINARY } = process.env
const [FILE, ...ARGS] = BINARY === undefined ? ['npm', 'run', 'demo'] as const : [BINARY, 'demo'] as const
const LAST_LINE = 'Ctrl-C ends it.'
/** The node of this run, and nothing else of this environment; coverage is named, as Node hands it down by itself. */
const ENV = { PATH: [dirname(process.execPath), process.env.PATH].join(delimiter), HOME: process.env.HOME, NODE_V8_COVERAGE: undefined }
/** Before 22 its WebSocket is there only for those who ask. */
const NODE_OPTIONS = globalThis.WebSocket === undefined ? '--experimental-websocket' : undefined

/** What each line that the demo prints for pasting must bring, in the order of printing. */
const EXPECTED: readonly [status: number, body: RegExp][] = [
  [200, /"content":\[\{"type":"text","text":"This is not a model\./],
  [200, /^event: message_start\ndata: [^]*\n\nevent: message_stop\ndata: .*\n\n$/],
  [200, /:event-type/],
  [401, /^x-amzn-ErrorType: UnrecognizedClientException\r$/m],
]

describe('the demo, started and used as the README says', { timeout: 120_000 }, () => {
  const folder = mkdtempSync(join(tmpdir(), 'demo-'))
  let demo: ChildProcess
  let printed = ''

  before(async () => {
    // A group of its own, for what Ctrl-C does: it reaches npm, the shell and the program alike.
    demo = spawn(FILE, ARGS, { cwd: ROOT, env: ENV, stdio: ['ignore', 'pipe', 'pipe'], detached: true })
    demo.stderr!.on('data', (chunk: Buffer) => { printed += chunk.toString() })
    for await (const chunk of demo.stdout!.iterator({ destroyOnReturn: false })) {
      printed += String(chunk)
      if (printed.includes(LAST_LINE)) break
    }
    assert.ok(printed.includes(LAST_LINE), printed)
    // Lines are pasted as they are; what curl shows beyond the body is asked for here.
    writeFileSync(join(folder, '.curlrc'), 'silent\nnoproxy = "*"\nwrite-out = "%{stderr}%{http_code}"\n')
  })

  after(() => {
    rmSync(folder, { recursive: true })
    try {
      process.kill(-demo.pid!, 'SIGKILL')
    } catch {
      // All have ended, as they should.
    }
  })

  test('says what it is not', () => {
    assert.match(printed, /this is not production/)
  })

  test('every line that it prints works as it is', async () => {
    const blocks = printed.split('\n\n')
    const token = blocks.find((block) => block.startsWith('export TOKEN='))
    const calls = blocks.filter((block) => block.startsWith('curl '))
    const talk = blocks.filter((block) => block.startsWith('node '))
    const [talked, ...outcomes] = await Promise.all([...talk, ...calls].map((call) => paste(`${token}\n${call}`)))
    assert.deepEqual(outcomes.map(({ status }) => status), EXPECTED.map(([status]) => status))
    for (const [i, { body }] of outcomes.entries()) assert.match(body, EXPECTED[i]![1])
    const events = talked!.body.trimEnd().split('\n').map((line) => (JSON.parse(line) as { event: Record<string, { content?: string }> }).event)
    assert.match(events.map(({ textOutput }) => textOutput?.content ?? '').join(''), /^This is not a model\..*account\.$/)
    assert.deepEqual([Object.keys(events[0]!), Object.keys(events.at(-1)!)], [['completionStart'], ['contentEnd']])
  })

  test('Ctrl-C ends it', async () => {
    const over = once(demo, 'close')
    process.kill(-demo.pid!, 'SIGINT')
    await over
    await assert.rejects(fetch(/http:\S+/.exec(printed)![0]!))
  })

  async function paste(lines: string): Promise<{ status: number; body: string }> {
    const shell = spawn('sh', ['-c', lines], { env: { ...ENV, NODE_OPTIONS, CURL_HOME: folder }, stdio: ['ignore', 'pipe', 'pipe'] })
    let body = ''
    let said = ''
    shell.stdout!.on('data', (chunk: Buffer) => { body += chunk.toString('latin1') })
    shell.stderr!.on('data', (chunk: Buffer) => { said += chunk.toString() })
    await once(shell, 'close')
    return { status: Number(said), body }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ClaudeUser } from './kit/claude.ts'
import { closing } from './kit/closing.ts'
import type { LogLine, Program } from './kit/program.ts'
import { TEXT, WORDS } from './kit/model.ts'
import { refuse, speak } from './kit/standin.ts'
import { TOKENS } from './kit/token.ts'
import { bedrock, folder, freshProgram, program, type SetupName } from './kit/world.ts'

/** Claude Code is given what `/setup` shows, as it is. Run by claude-code.interop.ts. */

interface Situation {
  readonly setup?: SetupName
  /** The lines of which section of /setup. */
  readonly lines?: 'Claude Code' | 'AWS SDKs and the AWS CLI after that'
  /** What stands for `<token>` in them. */
  readonly token?: string
  readonly settings?: true
  /** What `bedrock-sso-proxy` prints, in turn. */
  readonly helper?: readonly string[]
  /** How often AWS throttles before it answers. */
  readonly throttled?: number
  readonly expected: readonly [code: number, out: string | RegExp]
  /** Status of each call to the model. */
  readonly statuses: readonly number[]
  readonly helped?: number
}

const ANSWER = [0, `${TEXT}\n`] as const
const REFRESH = 'AWS authentication failed · refresh your AWS credentials (SSO sign-in, access keys, API key or proxy token) and retry · if credentials are current, check AWS permissions and model access'
const credentials = JSON.stringify({ Version: 1, AccessKeyId: 'none', SecretAccessKey: 'none', SessionToken: TOKENS.good, Expiration: new Date(Date.now() + 3_600_000).toISOString() })

const SITUATIONS: Readonly<Record<string, Situation>> = {
  'the lines of the page': { lines: 'Claude Code', expected: ANSWER, statuses: [200] },
  'settings with a helper': { settings: true, helper: [TOKENS.good], expected: ANSWER, statuses: [200], helped: 1 },
  'a profile': { lines: 'AWS SDKs and the AWS CLI after that', helper: [credentials], expected: ANSWER, statuses: [200], helped: 1 },
  'expired token, helper': { settings: true, helper: [TOKENS.expired, TOKENS.good], expected: ANSWER, statuses: [401, 200], helped: 2 },
  'forged token': { lines: 'Claude Code', token: TOKENS.forged, expected: [1, `${REFRESH} · API Error: 401 The token of your single sign-on was not accepted.\n`], statuses: [401] },
  'AWS says Throttling, twice': { lines: 'Claude Code', throttled: 2, expected: ANSWER, statuses: [429, 429, 200] },
  'policy says no': { lines: 'Claude Code', setup: 'forbidding', expected: [1, /You don't have access to the model with the specified model ID\./], statuses: [403] },
  // A 400 it takes for a dislike of something new in its request: it tries seven that have less in them, all within a tenth of a second.
  'budget used up': { lines: 'Claude Code', setup: 'spent', expected: [1, /^API Error: 400 The request does not fit into the limit usd_per_month: 0 of 0 left, reset at .*\.\n$/], statuses: Array(8).fill(400) },
}

const rows: string[] = []

for (const [name, situation] of Object.entries(SITUATIONS)) {
  test(`${name}: ${situation.statuses.join(', ')}`, () => tried(name, situation))
}

async function tried(name: string, { setup = 'usual', lines, token = TOKENS.good, settings, helper, throttled = 0, expected: [code, out], statuses, helped = 0 }: Situation): Promise<void> {
  const running = await program(setup, false)
  const model = `interop.claude-code.${name.replace(/[^a-z]+/gi, '-').toLowerCase()}-v1:0`
  let left = throttled
  bedrock.script(model, (received, response) => (left-- > 0 ? refuse(429, 'ThrottlingException', 'Too many requests', { headers: { 'Retry-After': '1' } }) : speak('words'))(received, response))
  const user = new ClaudeUser(folder)
  if (settings) user.settings(await section(running, 'Claude Code after that'))
  if (helper) user.helper(...helper)
  const pasted = lines === undefined ? '' : (await section(running, lines)).replaceAll('<token>', token)
  const base = lines?.startsWith('AWS') ? `export CLAUDE_CODE_USE_BEDROCK=1 ANTHROPIC_BEDROCK_BASE_URL=${running.url}\n` : ''
  const told = await user.ask(`${pasted}\n${base}export ANTHROPIC_MODEL=${model}`)
  const calls = callsOf(running, model)
  rows.push([name, calls.map(({ status }) => status).join(' '), told.helped, told.out.trim()].join(' | '))
  assert.equal(told.code, code, told.out)
  if (typeof out === 'string') assert.equal(told.out, out)
  else assert.match(told.out, out)
  assert.deepEqual(calls.map(({ status }) => status), statuses)
  assert.equal(told.helped, helped, 'calls of the helper')
}

const callsOf = ({ lines }: Program, model: string): readonly LogLine[] => lines.filter((line) => line.model === model && line.operation === 'InvokeModelWithResponseStream')

async function section({ url }: Program, title: string): Promise<string> {
  const setup = await (await fetch(`${url}/setup`)).text()
  const [, lines = ''] = new RegExp(`^${title}.*\\n\\n((?: {4}.*\\n)+)`, 'm').exec(setup) ?? []
  return lines.replace(/^ {4}/gm, '')
}

test('without a model of its own it asks for profiles, tries one model of each kind, and streams from the best', async () => {
  const running = await freshProgram({}, false)
  const told = await new ClaudeUser(folder).ask((await section(running, 'Claude Code')).replace('<token>', TOKENS.good))
  assert.deepEqual([told.code, told.out], ANSWER)
  const requests = running.lines.filter(({ msg }) => msg === 'request')
  assert.deepEqual(requests.map(({ operation, status }) => `${operation} ${status}`), ['ListInferenceProfiles 200', ...Array(3).fill('InvokeModel 200'), 'InvokeModelWithResponseStream 200'])
  assert.deepEqual([...new Set(requests.map(({ user }) => user))], ['alice'])
})

test('it shows words as they come', async () => {
  const { url } = await program('usual', false)
  const told = await new ClaudeUser(folder).ask(`export CLAUDE_CODE_USE_BEDROCK=1 ANTHROPIC_BEDROCK_BASE_URL=${url} AWS_BEARER_TOKEN_BEDROCK='${TOKENS.good}' ANTHROPIC_MODEL=interop.claude-code.stream-v1:0`,
    '--output-format', 'stream-json', '--include-partial-messages', '--verbose')
  const heard = told.out.split('\n').filter((line) => line.startsWith('{')).map((line) => (JSON.parse(line) as { event?: { delta?: { text?: string } } }).event?.delta?.text).filter((word) => word !== undefined)
  assert.deepEqual(heard, WORDS)
})

test('Claude Code × situation', () => console.log(rows.join('\n')))
closing('Claude Code')

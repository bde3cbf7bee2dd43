import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { describe, test } from 'node:test'
import type { Client, Shown } from './client.ts'
import { closing, type Row } from './closing.ts'
import { type Attempt, converse, type Outcome, type Topic } from './conversation.ts'
import { TEXT, TOOL } from './model.ts'
import { type Situation, type SituationName, SITUATIONS, whyNot } from './situations.ts'
import { beginThen, eventsOf, speak, speakInTurn } from './standin.ts'
import { bedrock, program } from './world.ts'

/** What a client is expected to make of a situation: the error, how often it tries, and its words where they are more than the message itself. */
export type Expected = readonly [error: string, attempts: number, words?: string | RegExp]
/** In place of an error: a fault of the client itself. What the client takes for words is the evidence. */
export const UNNOTICED = 'none, at fault'
export type Expectations = Readonly<Partial<Record<SituationName, Expected>>>

/** A pattern that matches a text and nothing else. */
export const literally = (text: string): string => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')

/** Tries the clients of one file, kinds of `title`: they speak, they fail as expected, and nothing odd was seen by anybody meanwhile. */
export function interop(title: string, clients: readonly Client[], expectations: (client: Client) => Expectations): void {
  const rows: Row[] = []
  describe(title, { concurrency: 2 }, () => {
    for (const client of clients) {
      describe(client.name, { concurrency: true, timeout: 120_000 }, () => {
        itSpeaks(client)
        if (client.stream !== undefined) {
          itHearsStreams(client)
          itLeaves(client)
        }
        itFails(client, expectations(client), rows)
      })
    }
  })
  closing(title, clients, rows)
}

function itSpeaks(client: Client): void {
  test('hears the whole answer', async () => {
    const outcome = await succeed(client, { name: 'plain' })
    assert.equal(outcome.said!.text, TEXT)
  })
  if (!client.sendsBodies) return
  test('calls a tool', async () => {
    const outcome = await succeed(client, { name: 'tool', tool: true, aws: speak('tool') })
    assert.deepEqual(outcome.said!.tool, TOOL)
    assert.ok(bedrock.of(outcome.model)[0]!.text().includes(TOOL.name))
  })
  test('sends 20 MB, and not a byte is changed', async () => {
    const outcome = await inTurn(() => succeed(client, { name: 'upload', prompt: randomBytes(10_000_000).toString('hex') }))
    assert.ok(outcome.attempts[0]!.bytes > 20_000_000)
  })
}

function itHearsStreams(client: Client): void {
  for (const speech of ['words', 'tool'] as const) {
    test(`hears each event of a stream (${speech}) before the next one is sent`, async () => {
      let events = 0
      const { model, said } = await succeed(client, { name: `stream ${speech}`, asks: 'stream', tool: speech === 'tool', aws: speakInTurn(speech), heard: () => { events++ } })
      assert.equal(events, eventsOf(bedrock.of(model)[0]!.kind, speech).length)
      if (speech === 'words') assert.equal(said!.text, TEXT)
      else assert.deepEqual(said!.tool, TOOL)
    })
  }
}

function itLeaves(client: Client): void {
  test('leaves amid a stream, and AWS is left at once', async () => {
    const leave = () => { throw new Error('enough') }
    const { model, error } = await converse(client, { name: 'leave', asks: 'stream', aws: beginThen(2, () => undefined), heard: leave })
    assert.ok(error instanceof Error)
    // Not told, the stand-in would wait for ever.
    await bedrock.of(model)[0]!.over
    const running = await program('usual', client.secure)
    assert.equal((await running.line((line) => line.model === model)).error, 'CLIENT_GONE')
  })
}

/** One attempt, and what the client's transport sent is what the stand-in got. */
async function succeed(client: Client, topic: Topic): Promise<Outcome> {
  const outcome = await converse(client, topic)
  if (outcome.error !== undefined) throw outcome.error
  assert.equal(outcome.attempts.length, 1)
  assert.deepEqual(bedrock.of(outcome.model).map(({ sha256 }) => sha256), [outcome.attempts[0]!.sha256])
  return outcome
}

function itFails(client: Client, expectations: Expectations, rows: Row[]): void {
  for (const [name, situation] of SITUATIONS) {
    if (whyNot(situation, client) !== undefined) continue
    const expected = expectations[name]
    if (expected === undefined) throw new Error(`what does ${client.name} make of "${name}"?`)
    const [error, tries] = expected
    test(`${name}: ${error}, ${tries === 1 ? 'one try' : `${tries} tries`}`, () => fail(client, name, situation, expected, rows))
  }
}

async function fail(client: Client, name: SituationName, situation: Situation, [error, tries, words]: Expected, rows: Row[]): Promise<void> {
  const { promptBytes } = situation
  const ask = (prompt: string) => converse(client, { name, prompt, ...situation })
  const outcome = await (promptBytes === undefined ? ask('Hello') : inTurn(() => ask('x'.repeat(promptBytes))))
  const { attempts, model } = outcome
  const shown = outcome.error === undefined ? { error: UNNOTICED, message: String(words) } : withoutTimes(client.show(outcome.error))
  rows.push({ client, name, shown, status: attempts[0]?.status, attempts: attempts.length })
  assert.equal(shown.error, error, `${shown.error}: ${shown.message}`)
  const { asks, status, message, headers } = situation
  const expectedWords = words ?? client.words?.({ asks, status, message, tries, error, type: headers?.['x-amzn-errortype'] ?? error.replace('types.', '') }) ?? message
  if (typeof expectedWords === 'string') assert.equal(shown.message, expectedWords)
  else assert.match(shown.message, expectedWords)
  assert.equal(attempts.length, tries, 'attempts')
  for (const attempt of attempts) assertAnswer(attempt, situation)
  const reached = situation.reachesAws === true ? tries : 0
  await bedrock.reached(model, reached)
  assert.equal(bedrock.of(model).length, reached, 'requests that reached AWS')
}

let uploads: Promise<unknown> = Promise.resolve()

/** Large uploads go one after another: all at once they would starve each other, and who sends nothing for two seconds is given up. */
function inTurn<T>(work: () => Promise<T>): Promise<T> {
  const turn = uploads.then(work)
  uploads = turn.catch(() => undefined)
  return turn
}

function withoutTimes({ error, message }: Shown): Shown {
  return { error, message: message.replace(/\d{4}-\d\d-\d\dT[\d:]{8}Z/g, '…') }
}

function assertAnswer({ status, headers = {} }: Attempt, expected: Situation): void {
  assert.equal(status, expected.status)
  for (const [name, value] of Object.entries(expected.headers ?? {})) assert.equal(headers[name] ?? null, value, name)
}

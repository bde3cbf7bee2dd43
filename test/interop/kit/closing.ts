import assert from 'node:assert/strict'
import { test } from 'node:test'
import { conformance, readJson } from '../../kit/vectors.ts'
import type { Client, Shown } from './client.ts'
import { askedAbout } from './conversation.ts'
import { SECRET_ACCESS_KEY } from './signature.ts'
import { type SituationName, SITUATIONS, whyNot } from './situations.ts'
import { JWT_SECRET, TOKENS } from './token.ts'
import { bedrock, startedPrograms } from './world.ts'

/** A cell of the table: what one client made of one situation. */
export interface Row {
  readonly client: Client
  readonly name: SituationName
  readonly shown: Shown
  readonly status: number | undefined
  readonly attempts: number
}

/** The last tests of a file: what can be said when everything has been tried. */
export function closing(title: string, clients: readonly Client[] = [], rows: readonly Row[] = []): void {
  test('the programs end in good order, their logs have every attempt, and no secret came out', async () => {
    const programs = await startedPrograms().finally(() => bedrock.stop())
    await Promise.all(programs.map((program) => program.stop()))
    const requests = programs.flatMap(({ lines }) => lines.filter(({ msg }) => msg === 'request'))
    for (const [model, attempts] of askedAbout) {
      assert.equal(requests.filter((line) => line.model === model).length, attempts, `lines about ${model}`)
    }
    for (const secret of [JWT_SECRET, SECRET_ACCESS_KEY, ...Object.values(TOKENS)]) {
      assert.ok(secret === undefined || !programs.some((program) => program.output.includes(secret)), 'a secret came out')
    }
  })

  test('the stand-in found nothing wrong: every signature right, every path canonical, no token leaked', () => {
    assert.deepEqual(bedrock.faults, [])
  })

  if (clients.length > 0) test('client × situation: no cell is without a word', () => console.log(table(title, clients, rows)))
  if (!clients.some(({ matrix }) => matrix !== undefined)) return
  conformance('bedrock-contract', (folder) => {
    test('clients fail as error-matrix.json recorded it', () => compare(readJson<Matrix>(folder, 'error-matrix.json'), rows))
  })
}

interface Matrix {
  readonly cases: readonly {
    readonly case: string
    readonly client: string
    readonly response?: { readonly status: number; readonly body: string }
    readonly saw: { readonly class: string; readonly name?: string; readonly message: string; readonly attempts: number }
  }[]
}

/** Where we send more than the recorded case had, and clients heed it; or where a client has changed since. */
const DEVIATIONS: ReadonlyMap<string, string> = new Map([
  ['anthropic-bedrock-sdk js, 408-ModelTimeout', 'x-should-retry: false: one attempt where it recorded three'],
  ['anthropic-python, 408-ModelTimeout', 'the same; and 2.x has a class for it'],
  ['anthropic-python, 413-Validation', '2.x has a class for it'],
])

function compare({ cases }: Matrix, rows: readonly Row[]): void {
  let compared = 0
  for (const { client, name, shown, attempts } of rows) {
    const situation = SITUATIONS.get(name)!
    const matrixClient = client.matrix?.[situation.asks]
    const recorded = cases.find((one) => one.case === situation.matrix && one.client === matrixClient)
    if (recorded === undefined) continue
    compared++
    const about = `${matrixClient}, ${situation.matrix}`
    if (DEVIATIONS.has(about)) continue
    const { saw } = recorded
    const answer = JSON.parse(cases.find((one) => one.case === situation.matrix && one.response)!.response!.body) as { message?: string; Message?: string }
    const said = answer.message ?? answer.Message!
    const at = saw.message.lastIndexOf(said)
    const message = saw.message.slice(0, at) + situation.message + saw.message.slice(at + said.length)
    assert.deepEqual({ error: shown.error, attempts }, { error: saw.name ?? saw.class, attempts: saw.attempts }, about)
    if (client.matrix?.showsBodies !== true) assert.equal(shown.message, message, about)
  }
  assert.ok(compared > 0, 'nothing to compare')
}

/** What a client made of a situation, or why it was not asked to. */
function cell(client: Client, name: SituationName, rows: readonly Row[]): readonly string[] {
  const row = rows.find((row) => row.client === client && row.name === name)
  if (row !== undefined) return [row.shown.error, String(row.status ?? '-'), String(row.attempts), row.shown.message]
  const reason = whyNot(SITUATIONS.get(name)!, client)
  assert.ok(reason !== undefined, `nothing is known of ${client.name}, ${name}`)
  return ['not tried', '-', '0', reason]
}

/** Situations with what each client made of them; clients that agree share a line. */
function table(title: string, clients: readonly Client[], rows: readonly Row[]): string {
  const cells: string[][] = [['situation', 'error', 'status', 'tries', 'client', 'message']]
  for (const name of SITUATIONS.keys()) {
    const groups = new Map<string, string[]>()
    for (const client of clients) {
      const outcome = JSON.stringify(cell(client, name, rows))
      groups.set(outcome, [...(groups.get(outcome) ?? []), client.name])
    }
    for (const [outcome, names] of groups) {
      const [error = '', status = '', attempts = '', message = ''] = JSON.parse(outcome) as string[]
      cells.push([name, error, status, attempts, names.length === clients.length ? 'all' : names.join(' + '), message])
    }
  }
  const widths = cells[0]!.map((_, i) => Math.max(...cells.map((row) => row[i]!.length)))
  const lines = cells.map((row) => row.map((cell, i) => cell.padEnd(widths[i]!)).join('  ').trimEnd())
  return [`${title}: ${clients.map(({ name }) => name).join(' + ')}`, ...lines].join('\n')
}

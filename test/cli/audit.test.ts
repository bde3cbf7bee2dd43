import assert from 'node:assert/strict'
import { createSecretKey, randomBytes } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { AuditLog, type CallFacts } from '../../src/audit/index.ts'
import { createLog, Facts } from '../../src/log/index.ts'
import { Program } from '../kit/program.ts'

const folder = mkdtempSync(join(tmpdir(), 'audit-cli-'))
after(() => rmSync(folder, { recursive: true }))
const secret = randomBytes(32).toString('hex')
const keyFile = join(folder, 'key')
writeFileSync(keyFile, `${secret}\n`)

async function logOf(name: string, calls: readonly Partial<CallFacts>[], key?: string): Promise<string> {
  const path = join(folder, name)
  const options = { path, fsync: 'interval', fail: 'closed', intent: false, key: key === undefined ? undefined : createSecretKey(key, 'utf8') } as const
  const log = new AuditLog(options, { log: createLog({ level: 'error', format: 'text', nowMs: Date.now, write: () => undefined }), each: () => () => undefined, after: () => undefined })
  for (const call of calls) log.end({ time: '2026-03-04T05:06:07.000Z', facts: new Facts(call as CallFacts) })
  await log.close()
  return path
}

async function run(...args: string[]): Promise<{ code: number | null; out: string; err: string }> {
  const program = new Program(['audit', ...args])
  return { code: await program.ended(), out: program.stdout.join('\n'), err: program.stderr.join('\n') }
}

test('audit verify ends with 0 for a good log, and says that it cannot see a cut tail', async () => {
  const path = await logOf('good.jsonl', [{}, {}, {}])
  const { code, out } = await run('verify', path)
  assert.equal(code, 0)
  assert.match(out, /^note: without a head \(--head\) it cannot be seen whether the tail was cut\n3 lines, 1 to 3 of the chain, head [0-9a-f]{64}: good$/)
  const { hash } = JSON.parse(readFileSync(`${path}.head`, 'utf8')) as { hash: string }
  for (const head of [`${path}.head`, hash, hash.slice(0, 12)]) {
    const got = await run('verify', path, '--head', head)
    assert.deepEqual([got.code, got.out], [0, `3 lines, 1 to 3 of the chain, head ${hash}: good`])
  }
})

test('audit verify ends with 1, and names file, line and what is wrong', async () => {
  const path = await logOf('bad.jsonl', [{ user: 'alice' }, { user: 'bob' }, {}])
  const text = readFileSync(path, 'utf8')
  writeFileSync(path, text.replace('bob', 'eve'))
  const { code, out } = await run('verify', path, '--head', `${path}.head`)
  assert.deepEqual([code, out.split('\n')[0]], [1, `${path}:2: the line was changed, or was written with another key`])
  writeFileSync(path, text.slice(0, text.indexOf('\n') + 1))
  const cut = await run('verify', path, '--head', `${path}.head`)
  assert.deepEqual([cut.code, cut.out.split('\n')[0]], [1, `${path}:1: the tail was cut: lines 2 to 3 of the chain are missing`])
})

test('audit verify --key_file accepts only what that key sealed, the head included', async () => {
  const path = await logOf('sealed.jsonl', [{}, {}], secret)
  assert.equal((await run('verify', path, '--key_file', keyFile, '--head', `${path}.head`)).code, 0)
  assert.equal((await run('verify', path)).code, 1)
  writeFileSync(`${path}.head`, readFileSync(`${path}.head`, 'utf8').replace('"seq":2', '"seq":1'))
  const { code, err } = await run('verify', path, '--key_file', keyFile, '--head', `${path}.head`)
  assert.deepEqual([code, err], [2, 'the head was not sealed with this key'])
})

test('audit ends with 2 where nothing can be said', async () => {
  const missing = join(folder, 'none')
  assert.deepEqual(await run('verify', missing), { code: 2, out: '', err: `${missing} cannot be read (ENOENT)` })
  assert.deepEqual((await run('verify', folder)).code, 2)
  assert.match((await run('verify', keyFile, '--key_file', missing)).err, /ENOENT/)
  assert.equal((await run('usage', keyFile, '--by', 'color')).err, '--by is one of user, group, model, day')
  for (const args of [[], ['verify'], ['look', keyFile]]) assert.deepEqual((await run(...args)).code, 2, args.join())
})

const HOSTILE = '=cmd|"/c calc"!A1'
const calls = [
  { issuer: 'i', user: HOSTILE, cost_usd: 0.000001, input_tokens: 12 },
  { issuer: 'i', user: '-1+1', model: 'a\u001b[2Jb' },
  { issuer: 'i', user: 'bob', cost_usd: 1.5, output_tokens: 7, failed: 'upstream' as const },
]

test('audit usage prints a table, JSON and CSV in which no spreadsheet finds a formula', async () => {
  const path = await logOf('usage.jsonl', calls)
  assert.equal((await run('usage', path)).out, [
    'issuer  user               requests  failed  input_tokens  output_tokens  cache_read_tokens  cache_write_tokens  cost_usd',
    'i       bob                       1       1             0              7                  0                   0       1.5',
    'i       =cmd|"/c calc"!A1         1       0            12              0                  0                   0  0.000001',
    'i       -1+1                      1       0             0              0                  0                   0         0',
  ].join('\n'))
  assert.deepEqual((JSON.parse((await run('usage', path, '--by', 'day', '--json')).out) as unknown[])[0], {
    day: '2026-03-04', requests: 3, failed: 1, input_tokens: 12, output_tokens: 7, cache_read_tokens: 0, cache_write_tokens: 0, cost_usd: 1.500001,
  })
  const csv = (await run('usage', path, '--csv')).out.split('\n')
  assert.deepEqual(csv.map((line) => line.split(',')[1]), ['user', 'bob', `"'=cmd|""/c calc""!A1"`, "'-1+1"])
  assert.ok((await run('usage', path, '--by', 'model')).out.includes('a\ufffd[2Jb'))
})

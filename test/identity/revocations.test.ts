import assert from 'node:assert/strict'
import { renameSync, rmSync, mkdtempSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { type Caller, IdentityError, Revocations } from '../../src/identity/index.ts'
import { RevocationFile } from '../../src/identity/revocation-file.ts'
import { createLog } from '../../src/log/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { ask } from '../kit/client.ts'
import { startProxy, token } from '../kit/proxy.ts'

const A = 'https://a.example'
const B = 'https://b.example'
const caller = (more: Partial<Caller> = {}): Caller => ({ issuer: A, user: 'alice', groups: [], jti: 'j1', issuedS: 1000, expiresS: 2000, fingerprint: 'f', claims: new Map(), ...more })

const ROWS: readonly (readonly [claim: string, text: string, caller: Caller, revoked: boolean])[] = [
  ['an empty file revokes nobody', '', caller(), false],
  ['an empty list revokes nobody', '[]', caller(), false],
  ['a user of an issuer is revoked', `- { issuer: ${A}, user: alice }`, caller(), true],
  ['the same name of another issuer is not', `- { issuer: ${B}, user: alice }`, caller(), false],
  ['another user is not', `- { issuer: ${A}, user: bob }`, caller(), false],
  ['a name is compared exactly', `- { issuer: ${A}, user: Alice }`, caller(), false],
  ['a name of an object is a name', `- { issuer: ${A}, user: __proto__ }`, caller({ user: '__proto__' }), true],
  ['one token is revoked by its id', `- { issuer: ${A}, jti: j1 }`, caller(), true],
  ['the next token of the same user is not', `- { issuer: ${A}, jti: j1 }`, caller({ jti: 'j2' }), false],
  ['a token without an id is not', `- { issuer: ${A}, jti: j1 }`, caller({ jti: undefined }), false],
  ['the id of a token of another user is not', `- { issuer: ${A}, user: bob, jti: j1 }`, caller(), false],
  ['a token from before is revoked', `- { issuer: ${A}, issued_before: 1001 }`, caller(), true],
  ['a token of that second is not', `- { issuer: ${A}, issued_before: 1000 }`, caller(), false],
  ['a token that does not say when it was issued is', `- { issuer: ${A}, issued_before: 1000 }`, caller({ issuedS: undefined }), true],
  ['a time is written as RFC 3339 too', `- { issuer: ${A}, issued_before: 1970-01-01T01:16:41+01:00 }`, caller(), true],
  ['user and time have to fit both', `- { issuer: ${A}, user: bob, issued_before: 1001 }`, caller(), false],
  ['JSON is understood', JSON.stringify([{ issuer: B, user: 'alice' }, { issuer: A, user: 'alice', issued_before: 1001 }]), caller(), true],
]
for (const [claim, text, who, revoked] of ROWS) {
  test(claim, () => assert.equal(new Revocations(text, [A, B]).has(who), revoked))
}

test('where one issuer is trusted, a row need not name it', () => {
  assert.equal(new Revocations('- { user: alice }', [A]).has(caller()), true)
  assert.equal(new Revocations('- { user: alice }', [undefined]).has(caller({ issuer: '' })), true)
})

const LINE = 'line 2: expected'
const BAD: readonly (readonly [text: string, message: string])[] = [
  ['revoked: []', 'line 1: expected a list of rows with user, jti or issued_before'],
  ['- [', 'line 1: expected YAML or JSON'],
  [`- { issuer: ${A}, user: a }\n- alice`, `${LINE} a list of rows with user, jti or issued_before`],
  [`- { issuer: ${A}, user: a }\n- { user: alice }`, `${LINE} the issuer, one of those that are trusted`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A}/, user: alice }`, `${LINE} the issuer, one of those that are trusted`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A} }`, `${LINE} user, jti or issued_before`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A}, user: 17 }`, `${LINE} issuer, user and jti as text, in quotes where they look like numbers`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A}, users: [a] }`, `${LINE} issuer, user, jti and issued_before, and no other field`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A}, issued_before: yesterday }`, `${LINE} issued_before as a time such as 2026-11-23T10:00:00Z`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A}, issued_before: 2026-11-23T10:00:00 }`, `${LINE} issued_before as a time such as 2026-11-23T10:00:00Z`],
  [`- { issuer: ${A}, user: a }\n- { issuer: ${A}, issued_before: 1795430000000 }`, `${LINE} issued_before as a time such as 2026-11-23T10:00:00Z`],
]
for (const [text, message] of BAD) {
  test(`a file is refused: ${message}`, () => {
    assert.throws(() => new Revocations(text, [A, B]), (error) => error instanceof IdentityError && error.code === 'IDENTITY_REVOCATIONS_UNUSABLE' && error.message === message)
  })
}

const folder = mkdtempSync(join(tmpdir(), 'revoked-'))
after(() => rmSync(folder, { recursive: true }))

test('a revocation file is looked at twice a second, whatever becomes of it, until nobody wants that any more', () => {
  const file = join(folder, 'polled.yaml')
  const waiting = new Set<() => void>()
  const after = (delayMs: number, run: () => void) => {
    assert.ok(delayMs <= 500, String(delayMs))
    waiting.add(run)
    return () => void waiting.delete(run)
  }
  const pass = () => {
    assert.equal(waiting.size, 1)
    const [run] = waiting
    waiting.delete(run!)
    run!()
  }
  let changes = 0
  const log = createLog({ level: 'error', format: 'json', nowMs: Date.now, write: () => undefined })
  const revocations = new RevocationFile({ after, log }, () => { changes++ })
  writeFileSync(file, '[]')
  revocations.watch({ path: file, issuers: [A] })
  pass()
  assert.deepEqual([changes, revocations.has(caller())], [1, false])
  writeFileSync(file, '- { user: alice }')
  pass()
  assert.deepEqual([changes, revocations.has(caller())], [2, true])
  for (const text of ['- { user: alice', undefined]) {
    if (text === undefined) rmSync(file)
    else writeFileSync(file, text)
    pass()
    assert.deepEqual([changes, revocations.has(caller())], [2, true])
  }
  writeFileSync(file, '[]')
  pass()
  assert.deepEqual([changes, revocations.has(caller())], [3, false])
  revocations.watch(undefined)
  assert.equal(waiting.size, 0)
})

test('jwt.revocation_file: who is revoked while the proxy runs gets 401, and what streams for him ends with an exception', async () => {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  const file = join(folder, 'revoked.yaml')
  const write = (text: string) => { writeFileSync(`${file}.new`, text); renameSync(`${file}.new`, file) }
  write('[]')
  const proxy = await startProxy(bedrock, { JWT__REVOCATION_FILE: file })
  after(() => proxy.stop())
  const call = (user: string, path: string) => ask('HTTP/1.1', proxy.port, path, { headers: { authorization: `Bearer ${token({ sub: user })}`, accept: 'text/event-stream' }, body: '{}' })
  const status = async (user: string) => (await call(user, '/model/x/invoke')).status
  assert.deepEqual([await status('alice'), await status('bob')], [200, 200])

  bedrock.script = (_seen, response) => response.writeHead(200, { 'Content-Type': 'application/vnd.amazon.eventstream' }).flushHeaders()
  const arrived = bedrock.next()
  const stream = call('alice', '/model/x/invoke-with-response-stream')
  const { over } = await arrived
  write('- { user: alice }')
  const { status: begun, body } = await stream
  assert.equal(begun, 200)
  assert.match(body.toString(), /^event: error\ndata: .*The token of your single sign-on was not accepted/)
  await over
  const ended = proxy.log.findLast((line) => line.user === 'alice')!
  assert.deepEqual([ended.error, ended.failed], ['TOKEN_REVOKED', 'client'])

  bedrock.script = (_seen, response) => response.end('{}')
  assert.deepEqual([await status('alice'), await status('bob')], [401, 200])

  const told = proxy.nextLine(({ msg }) => msg.startsWith('the revocation file is not taken'))
  write('- { user: bob, until: 1 }')
  assert.match(String((await told).problem), /^line 1: expected issuer, user, jti/)
  assert.deepEqual([await status('alice'), await status('bob')], [401, 200], 'the last good file stays in force')

  const taken = proxy.nextLine(({ msg }) => msg === 'revocations')
  write('- { user: bob }')
  await taken
  assert.deepEqual([await status('alice'), await status('bob')], [200, 401])
})

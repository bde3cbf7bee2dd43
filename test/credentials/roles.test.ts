import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { Askers, type Described, parseTemplate } from '../../src/asker/index.ts'
import type { HttpAnswer, HttpRequest } from '../../src/credentials/http.ts'
import { type Credentials, type CredentialSource, type RoleRule, RoleSessions } from '../../src/credentials/index.ts'
import { createLog } from '../../src/log/index.ts'
import { Secret } from '../../src/secret/index.ts'
import { output, secret } from '../kit/leaks.ts'
import { Clock, failure, MINUTE, NOW, settle, world } from './kit.ts'

const asker = (user: string, groups: readonly string[] = [], claims: Record<string, string> = {}, issuer = 'https://a'): Described => ({ user, issuer, groups, claims: new Map(Object.entries(claims)) })
const ROLE = 'arn:aws:iam::111122223333:role/everybody'

function rule({ users, groups, session = '{user}', tags = {}, identity, ...more }: Partial<Omit<RoleRule, 'tags'>> & { users?: string[]; groups?: string[]; session?: string; tags?: Record<string, string>; identity?: string } = {}): RoleRule {
  const { roleArn = ROLE, durationS = 900, externalId } = more
  return {
    askers: new Askers({ users, groups }, ['https://a']), roleArn, durationS, externalId, sessionName: parseTemplate(session)!,
    sourceIdentity: identity === undefined ? undefined : parseTemplate(identity)!, tags: new Map(Object.entries(tags).map(([key, text]) => [key, parseTemplate(text)!])),
  }
}

const LASTING: Credentials = { accessKeyId: 'AKIABASE', secretAccessKey: new Secret(secret('the secret of the host', 'hostsecret')) }

/** Sessions of a host, and an STS whose keys last as long as they are asked for. */
function bench(rules: readonly RoleRule[], { base = LASTING, more }: { base?: Credentials; more?: Credentials } = {}) {
  const clock = new Clock()
  const state = { forms: [] as URLSearchParams[], down: false, refuse: undefined as string | undefined, atOnce: 0, most: 0, hold: undefined as Promise<void> | undefined, renewals: 0 }
  const host: CredentialSource = { name: 'host', get: () => base, renew: async () => (state.renewals++, more) }
  const http = async ({ body, headers }: HttpRequest): Promise<HttpAnswer> => {
    const form = new URLSearchParams(body)
    state.forms.push(form)
    state.most = Math.max(state.most, ++state.atOnce)
    await state.hold
    state.atOnce--
    if (state.refuse !== undefined && !headers.authorization!.includes('AKIAMORE')) return { status: 403, body: `<Code>${state.refuse}</Code>` }
    if (state.down) return { status: 503, body: '' }
    const expiration = new Date(clock.now + Number(form.get('DurationSeconds')) * 1000).toISOString()
    return { status: 200, body: `<AccessKeyId>ASIA${state.forms.length}</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>${form.get('RoleSessionName')}</SessionToken><Expiration>${expiration}</Expiration>` }
  }
  let seed = 7
  const random = () => (seed = (seed * 16_807) % 2_147_483_647) / 2_147_483_647
  const log = createLog({ level: 'debug', format: 'json', nowMs: clock.nowMs, write: output })
  const sessions = new RoleSessions(rules, { ...world({ http, random, sleep: clock.sleep }), nowMs: clock.nowMs, log, host })
  after(() => sessions.close())
  return { clock, state, host, sessions, get: (who: Described) => sessions.credentialsFor(who).get() }
}

const form = (one: URLSearchParams | undefined) => Object.fromEntries([...one!].slice(2))

test('the first rule that fits a caller says the role; who fits none has the credentials of the host', async () => {
  const { sessions, state, host, get } = bench([rule({ users: ['https://a|ann'], roleArn: 'arn:aws:iam::111122223333:role/ann' }), rule({ groups: ['ops'], roleArn: 'arn:aws:iam::111122223333:role/ops' })])
  for (const who of [asker('ann', ['ops']), asker('bob', ['dev', 'ops']), asker('ann', [], {}, 'https://b')]) await get(who)
  assert.deepEqual(state.forms.map((one) => [one.get('RoleArn'), one.get('RoleSessionName')]), [['arn:aws:iam::111122223333:role/ann', 'ann'], ['arn:aws:iam::111122223333:role/ops', 'bob']])
  assert.equal(sessions.credentialsFor(asker('carl', ['dev'])), host)
})

test('session name, source identity, tags and external id are sent, in the alphabets of AWS', async () => {
  const { state, get } = bench([rule({ session: '{user},{issuer}', identity: '{claim:/id}', tags: { team: '{claim:/team}', 'cost center': 'CC {claim:/cc}!', none: '{claim:/none}' }, externalId: 'e' })])
  await get(asker('ann', [], { '/id': 'Ann Lee', '/team': 'Größe/x y', '/cc': '7' }))
  const { RoleSessionName, SourceIdentity, 'Tags.member.2.Value': second, ...rest } = form(state.forms[0])
  assert.deepEqual(rest, { RoleArn: ROLE, DurationSeconds: '900', 'Tags.member.1.Key': 'team', 'Tags.member.1.Value': 'Größe/x y', 'Tags.member.2.Key': 'cost center', 'Tags.member.3.Key': 'none', 'Tags.member.3.Value': '', ExternalId: 'e' })
  for (const [text, start] of [[RoleSessionName, 'ann,https___a'], [SourceIdentity, 'Ann_Lee'], [second, 'CC 7_']] as const) assert.match(text!, new RegExp(`^${start}=[0-9a-f]{16}$`))
})

test('two callers of one name but different issuers, or of names that AWS cannot tell apart, have sessions of their own', async () => {
  const { state, get } = bench([rule({ session: '{user},{issuer}' })])
  for (const who of [asker('a b'), asker('a_b'), asker('a\tb'), asker('a b', [], {}, 'https://b')]) await get(who)
  assert.equal(new Set(state.forms.map((one) => one.get('RoleSessionName'))).size, 4)
})

test('with credentials that are temporary themselves a session lasts an hour at most', async () => {
  for (const [base, seconds] of [[LASTING, '43200'], [{ ...LASTING, sessionToken: new Secret('t') }, '3600']] as const) {
    const { state, get } = bench([rule({ durationS: 43_200 })], { base })
    await get(asker('ann'))
    assert.equal(state.forms[0]!.get('DurationSeconds'), seconds)
  }
})

test('tokens of one person share a session, and a thousand requests at once make one call of STS', async () => {
  const { state, get, sessions } = bench([rule()])
  const given = await Promise.all(Array.from({ length: 1000 }, () => get(asker('ann'))))
  assert.deepEqual([state.forms.length, new Set(given).size, sessions.size], [1, 1, 1])
})

test('a thousand callers, sessions of 15 minutes, one hour: nobody waits after their first request, STS is asked evenly, and what is idle is forgotten', async () => {
  const { clock, state, sessions, get } = bench([rule()])
  const callers = Array.from({ length: 1000 }, (_, i) => asker(`user-${i}`))
  await Promise.all(callers.map(get))
  assert.deepEqual([state.forms.length, sessions.size], [1000, 1000])
  assert.ok(state.most <= 32, `${state.most} calls at once`)
  const perMinute: number[] = []
  for (let minute = 0; minute < 60; minute++) {
    const before = state.forms.length
    for (const one of callers) {
      const given = get(one)
      assert.ok(!(given instanceof Promise), `a request waits in minute ${minute}`)
      assert.ok(given.expiresMs! > clock.now)
      assert.equal(given.sessionToken!.reveal(), one.user)
    }
    await clock.advance(MINUTE)
    perMinute.push(state.forms.length - before)
  }
  // Each lives for 11 to 13 minutes before it is renewed.
  assert.ok(state.forms.length >= 5000 && state.forms.length <= 6000, `${state.forms.length} calls`)
  // All came in one moment; by the end of the hour they are spread over it.
  assert.ok(Math.max(...perMinute.slice(30)) < 700, perMinute.join(' '))
  assert.equal(sessions.size, 1000)
  for (let minute = 0; minute < 30; minute++) {
    await get(callers[0]!)
    await clock.advance(MINUTE)
  }
  assert.equal(sessions.size, 1)
})

test('a caller of one request costs one call of STS, and leaves nothing behind', async () => {
  const { clock, state, sessions, get } = bench([rule()])
  await get(asker('ann'))
  await clock.advance(60 * MINUTE)
  assert.deepEqual([state.forms.length, sessions.size, clock.nextMs], [1, 0, undefined])
})

test('a caller who comes back after that gets new credentials', async () => {
  const { clock, state, get } = bench([rule()])
  const ann = asker('ann')
  await get(ann)
  await clock.advance(60 * MINUTE)
  assert.ok((await get(ann)).expiresMs! > clock.now)
  assert.equal(state.forms.length, 2)
})

test('there is a bound: the session that was not used for longest goes', async () => {
  const { sessions, state, get } = bench([rule()])
  await get(asker('first'))
  for (let i = 0; i < 10_000; i++) {
    if (i === 5000) void get(asker('first'))
    sessions.credentialsFor(asker(`user-${i}`))
  }
  assert.equal(sessions.size, 10_000)
  const before = state.forms.length
  await get(asker('first'))
  assert.equal(state.forms.filter((one) => one.get('RoleSessionName') === 'first').length, 1)
  assert.ok(state.forms.length >= before)
})

test('what STS refuses is an error of its own that names role, session and the word of STS, and rests before it is asked again', async () => {
  const { clock, state, sessions, get } = bench([rule()])
  state.refuse = 'AccessDenied'
  const { message } = await failure(() => get(asker('ann')), 'CREDENTIALS_ROLE_REFUSED')
  assert.equal(message, `role ${ROLE} as ann: STS refused the role (AccessDenied)`)
  await failure(() => get(asker('ann')), 'CREDENTIALS_ROLE_REFUSED')
  assert.equal(state.forms.length, 1)
  state.refuse = undefined
  clock.now += 5000
  assert.equal((await get(asker('ann'))).sessionToken!.reveal(), 'ann')
  assert.equal(sessions.size, 1)
})

test('somebody who is refused and does not come back is not asked about for ever', async () => {
  const { clock, state, sessions, get } = bench([rule()])
  state.refuse = 'AccessDenied'
  await failure(() => get(asker('ann')), 'CREDENTIALS_ROLE_REFUSED')
  await clock.advance(60 * MINUTE)
  assert.deepEqual([state.forms.length, sessions.size], [1, 0])
})

test('while STS is down active callers keep what they have as long as it lasts', async () => {
  const { clock, state, get } = bench([rule()])
  const ann = asker('ann')
  await get(ann)
  state.down = true
  for (let minute = 0; minute < 14; minute++) {
    await clock.advance(MINUTE)
    assert.equal((await get(ann)).accessKeyId, 'ASIA1')
  }
  await clock.advance(2 * MINUTE)
  await failure(() => get(ann), 'CREDENTIALS_ROLE_REFUSED')
  state.down = false
  await clock.advance(MINUTE)
  assert.notEqual((await get(ann)).accessKeyId, 'ASIA1')
})

test('credentials of the host that STS takes for expired are renewed, once', async () => {
  const moreKeys = { ...LASTING, accessKeyId: 'AKIAMORE' }
  const { state, get } = bench([rule()], { more: moreKeys })
  state.refuse = 'ExpiredToken'
  assert.equal((await get(asker('ann'))).sessionToken!.reveal(), 'ann')
  assert.deepEqual([state.forms.length, state.renewals], [2, 1])
  const without = bench([rule()])
  without.state.refuse = 'ExpiredToken'
  await failure(() => without.get(asker('ann')), 'CREDENTIALS_ROLE_REFUSED')
  assert.deepEqual([without.state.forms.length, without.state.renewals], [1, 1])
})

test('other rules take effect at once, and sessions that they share go on', async () => {
  const { sessions, state, get } = bench([rule()])
  const [ann, bob] = [asker('ann'), asker('bob', ['ops'])]
  await Promise.all([get(ann), get(bob)])
  sessions.reload([rule({ groups: ['ops'], roleArn: 'arn:aws:iam::111122223333:role/ops' }), rule()])
  assert.ok(!(get(ann) instanceof Promise))
  await get(bob)
  assert.deepEqual(state.forms.map((one) => one.get('RoleArn')), [ROLE, ROLE, 'arn:aws:iam::111122223333:role/ops'])
})

test('close() leaves no timer', async () => {
  const { clock, sessions, get } = bench([rule()])
  await Promise.all([get(asker('ann')), get(asker('bob'))])
  sessions.close()
  await settle()
  assert.deepEqual([clock.nextMs, sessions.size, clock.now], [undefined, 0, NOW])
})

import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { conformance, readJson } from '../kit/vectors.ts'
import { BEARER, inParallel, openHouse, type Response } from './kit.ts'

const house = await openHouse()

interface Case {
  readonly name: string
  readonly raw_base64: string
  readonly expect: 'valid' | 'invalid' | 'ok' | 'error'
  readonly gunicorn_config?: object | null
  readonly requests?: readonly { readonly body_base64: string }[]
}

const rawOf = ({ raw_base64 }: Case) => Buffer.from(raw_base64, 'base64').toString('latin1')

const REQUEST_LINE = /^((?:\r\n)*)([^ \r\n]+) ([^ \r\n]+)( HTTP\/[^ \r\n]*)?(\r?\n|$)/
const ORDINARY_METHODS = ['GET', 'PUT', 'POST', 'HEAD', 'PATCH', 'DELETE']

/** A case as a request that goes up unless something in it is wrong: to an operation, with a token, with a Host where it has none. */
function armed(bytes: string, model: string, keepTarget: boolean): string {
  const aimed = bytes.replace(REQUEST_LINE, (_, blank: string, method: string, target: string, version: string | undefined, end: string) =>
    `${blank}${ORDINARY_METHODS.includes(method) ? 'POST' : method} ${keepTarget ? target : `/model/${model}/invoke`}${version ?? ''}${end === '' ? '\r\n' : end}`)
  return aimed.replace(/^((?:\r\n)*[^\n]*\n)/, `$1${/^host:/im.test(bytes) ? '' : 'Host: a\r\n'}${BEARER}`)
}

/** What the door made of a case. */
interface Outcome {
  readonly statuses: readonly number[]
  readonly bodies: readonly string[]
}

async function outcome(bytes: string, model: string): Promise<Outcome> {
  const answers: Response[] = await house.send(bytes)
  return { statuses: answers.map(({ status }) => status), bodies: house.seenOf(model).map(({ body }) => body.toString('latin1')) }
}

/** Models of the cases that were refused. What is on its way up when its connection ends may come later, so they are asked for again. */
const refusedModels = new Set<string>()

function assertRefused(made: Outcome, model: string, name: string): void {
  refusedModels.add(model)
  assert.ok(made.bodies.length === 0 && made.statuses.every((status) => status >= 400), `${name}: ${JSON.stringify(made)}`)
}

// Sent without a token for no path that we know, nothing can go up: what is left to see is that nothing worse happens.
function testAsTheyAre(suite: string, cases: readonly Case[]): void {
  test(`${suite}: as they are, all requests are refused, but for those of our own first page`, async () => {
    await inParallel(cases, 50, async (one) => {
      for (const { status, headers } of await house.send(rawOf(one))) assert.ok(status >= 400 || headers.has('content-security-policy'), `${one.name}: ${status}`)
    })
  })
}

/** Cases of gunicorn that it refuses by limits or switches of its own; here they are read as the ones around them. */
const WITHIN_OUR_LIMITS = new Map([
  ['invalid/008', 'header line over 8 KiB; ours may fill 64 KiB, because tokens do'],
  ['invalid/009', '101 header lines; we take 200'],
  ['invalid/017', 'header line over 8 KiB'],
])

/** What is wrong with these is their target, so it stays. */
const TARGETS = new Set(['invalid/002', 'invalid/006', 'invalid/016', 'invalid/rfc9112_target_asterisk_non_options_01', 'invalid/rfc9112_target_authority_non_connect_01', 'invalid/rfc9112_target_relative_01'])

/** Cases that gunicorn reads and we refuse. */
const STRICTER = new Map([
  ['valid/002', 'sub-delims in Host (0.0.0.0=5000): no client has such a name, and Host is shown to people'],
  ['valid/003', 'the same'],
  ['valid/013', 'a space before a chunk extension: llhttp refuses it'],
  ['valid/025', 'transfer-encoding other than "chunked": nobody here decodes gzip'],
  ['valid/025_line', 'the same'],
  ['valid/029', 'transfer-encoding "identity", gone since RFC 7230'],
  ['valid/030', 'the same'],
  ['valid/rfc9112_smuggle_gzip_chunked_01', 'transfer-encoding other than "chunked"'],
  ['valid/031', 'a method nobody knows'],
  ['valid/rfc9112_target_asterisk_options_01', 'OPTIONS: there is no CORS'],
  ['valid/rfc9112_target_authority_connect_01', 'CONNECT: this is no forward proxy'],
  ['valid/rfc9112_target_authority_ipv6_01', 'the same'],
])

/** Something follows a last request. llhttp says so before that one is answered, so it is not, and may or may not have gone up. */
const BREAKS_OFF = new Set(['valid/019', 'valid/021'])

/** Where llhttp's error stands behind a good request. That one may go up; versions of llhttp differ in when they tell us. */
const GOOD_REQUEST_FIRST = new Set([
  'connection/Setting flag > No restart when keep-alive is off (1.0)',
  'connection/`close` > CRLF between requests, explicit `close`',
  'connection/`close` > CRLF between requests, explicit `close` followed by tab',
  // llhttp stops for whoever wants to upgrade; nobody does, so they are ordinary requests.
  'connection/`upgrade` > Setting a flag and pausing',
  'connection/`upgrade` > Upgrade GET request',
])

describe('what stands in raw requests of other people', { concurrency: true }, () => {
  conformance('http1-gunicorn', (folder) => {
    // A PROXY protocol line is not HTTP; other switches change what gunicorn reads.
    const cases = readJson<Case[]>(folder, 'open', 'cases.json').filter(({ name, gunicorn_config }) => !name.includes('/pp_') && (gunicorn_config ?? null) === null)
    testAsTheyAre('http1-gunicorn', cases)

    test('http1-gunicorn: no invalid request reaches Bedrock', async () => {
      await inParallel(cases.filter(({ expect }) => expect === 'invalid'), 50, async (one, i) => {
        const made = await outcome(armed(rawOf(one), `gi-${i}`, TARGETS.has(one.name)), `gi-${i}`)
        if (WITHIN_OUR_LIMITS.has(one.name)) assert.deepEqual(made.statuses, [200], one.name)
        else assertRefused(made, `gi-${i}`, one.name)
      })
    })

    test('http1-gunicorn: valid requests reach Bedrock with their very body, and each has its answer', async () => {
      await inParallel(cases.filter(({ expect }) => expect === 'valid'), 50, async (one, i) => {
        const made = await outcome(armed(rawOf(one), `gv-${i}`, false), `gv-${i}`)
        if (STRICTER.has(one.name)) return assertRefused(made, `gv-${i}`, one.name)
        if (BREAKS_OFF.has(one.name)) return assert.deepEqual(made.statuses, [400], one.name)
        const [first, ...more] = one.requests!
        assert.deepEqual(made.bodies, [Buffer.from(first!.body_base64, 'base64').toString('latin1')], one.name)
        // Those that follow have neither token nor Host.
        assert.deepEqual(made.statuses, [200, ...more.map(() => 400)], one.name)
      })
    })
  })

  conformance('http1-llhttp', (folder) => {
    const cases = readJson<Case[]>(folder, 'open', 'cases.json')

    testAsTheyAre('http1-llhttp', cases)

    // Most cases stop before their last line, so each is sent with an end, too.
    for (const [view, end] of [['', ''], [' and an end', '\r\n\r\n']] as const) {
      test(`http1-llhttp: with a token${view}, no request that llhttp takes for an error reaches Bedrock`, async () => {
        await inParallel(cases.filter(({ expect }) => expect === 'error'), 50, async (one, i) => {
          const model = `le${end.length}-${i}`
          const made = await outcome(armed(rawOf(one), model, false) + end, model)
          if (GOOD_REQUEST_FIRST.has(one.name)) assert.ok(made.bodies.length <= 1, one.name)
          else assertRefused(made, model, one.name)
        })
      })

      test(`http1-llhttp: with a token${view}, whatever else it reads is answered, and goes up no more than once`, async () => {
        await inParallel(cases.filter(({ expect }) => expect === 'ok'), 50, async (one, i) => {
          const model = `lo${end.length}-${i}`
          const made = await outcome(armed(rawOf(one), model, false) + end, model)
          assert.equal(made.bodies.length, made.statuses[0] === 200 ? 1 : 0, `${one.name}: ${JSON.stringify(made)}`)
        })
      })
    }
  })
})

test('nothing of what was refused went up after all', () => {
  for (const model of refusedModels) assert.deepEqual(house.seenOf(model), [], model)
  for (const { target } of house.bedrock.seen) assert.match(target, /^\/model\/(?:g[iv]|l[eo][04])-\d+\/invoke$/)
})

import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { Authenticator, IdentityError, RevocationFile } from '../identity/index.ts'
import { JwtError, parseClaims, parseCompact } from '../jwt/index.ts'
import { createLog } from '../log/index.ts'
import { type Command, EXIT_CONFIG } from './command.ts'
import { issuerGet } from './issuers.ts'
import { after } from './running.ts'
import { readSetup, type Setup } from './setup.ts'

const MAX_TOKEN_BYTES = 32_768
const SILENT = createLog({ level: 'error', format: 'json', nowMs: Date.now, write: () => undefined })

/** Says what this configuration makes of a token, as `serve` would. The token itself is not repeated. */
export const inspect: Pick<Command, 'run'> = {
  async run(args, process) {
    const { values } = parseArgs({ args: [...args], options: { config: { type: 'string' }, file: { type: 'string' } } })
    const read = readSetup(values, process)
    if ('problems' in read) {
      for (const problem of read.problems) process.stderr.write(`${problem}\n`)
      return EXIT_CONFIG
    }
    // On the command line everybody on the host could read it.
    const token = readFileSync(values.file ?? 0, 'utf8').trim()
    const { accepted, lines } = await judged(token, read.setup)
    process.stdout.write(`${[...lines, ...contents(token)].join('\n')}\n`)
    return accepted ? 0 : 1
  },
}

async function judged(token: string, setup: Setup): Promise<{ readonly accepted: boolean; readonly lines: readonly string[] }> {
  const authenticator = new Authenticator(setup.issuers, { nowMs: Date.now, random: Math.random, after, client: issuerGet, log: SILENT })
  const revocations = new RevocationFile({ after, log: SILENT }, () => undefined)
  revocations.watch(setup.revocations)
  try {
    await authenticator.refreshed()
    const caller = await authenticator.authenticate(token, Date.now())
    if (revocations.has(caller)) return { accepted: false, lines: ['refused: TOKEN_REVOKED: a row of jwt.revocation_file is about it'] }
    return { accepted: true, lines: ['accepted', `  user: ${plain(caller.user)}`, `  groups: ${plain(caller.groups)}`, `  fingerprint: ${caller.fingerprint}`] }
  } catch (error) {
    if (!(error instanceof JwtError || error instanceof IdentityError)) throw error
    const why = error instanceof IdentityError && error.detail !== undefined ? error.detail : error.message
    return { accepted: false, lines: [`refused: ${error.code}: ${why}`] }
  } finally {
    authenticator.close()
    revocations.close()
  }
}

/** What a token says of itself, true or not. */
function contents(token: string): readonly string[] {
  try {
    const compact = parseCompact(token, MAX_TOKEN_BYTES)
    const { alg, kid, typ } = compact.header
    const { iss, aud, iat, nbf, exp } = parseClaims(compact)
    const said = { alg, kid, typ, iss, aud, iat: time(iat), nbf: time(nbf), exp: time(exp) }
    return ['it says', ...Object.entries(said).filter(([, value]) => value !== undefined).map(([name, value]) => `  ${name}: ${plain(value)}`)]
  } catch (error) {
    if (error instanceof JwtError) return []
    throw error
  }
}

/** As a time of RFC 3339, as far as it is one. */
const time = (value: unknown): unknown => (typeof value === 'number' && Math.abs(value) < 1e11 ? new Date(value * 1000).toISOString() : value)

/** A stranger may have written it: nothing in it steers a terminal. */
const plain = (value: unknown): string => (JSON.stringify(value) ?? '').slice(0, 500).replace(/[^\x20-\x7e]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)

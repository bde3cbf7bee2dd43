import { readFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { type AlgorithmName, type Claims, isAlgorithm, JwtError, sign, signingKey } from '../jwt/index.ts'
import { type Command, EXIT_CONFIG, type Terminal } from './command.ts'
import { fresh } from './fresh.ts'
import { inspect } from './inspect.ts'

const OPTIONS = {
  'secret-file': { type: 'string' }, 'key-file': { type: 'string' }, alg: { type: 'string' }, kid: { type: 'string' }, sub: { type: 'string' },
  groups: { type: 'string' }, issuer: { type: 'string' }, audience: { type: 'string' }, ttl: { type: 'string', default: '1h' },
} as const

export const token: Command = {
  usage: 'token [--proxy URL] [--env | --credential-process]'
    + ' | token mint --sub USER [--secret-file FILE | --key-file PEM] [--alg ALG] [--kid KID] [--groups A,B] [--issuer ISS] [--audience AUD] [--ttl 1h]'
    + ' | token inspect [--file FILE] [--config FILE]',
  text: 'prints the token of your `login`, a fresh one where needed; mint makes one, for tests and CI ($JWT__SECRET where no file is named);'
    + ' inspect says whether one, read from standard input, would be accepted here, and why not',
  run(args, process) {
    const [verb = '', ...rest] = args
    if (verb === 'mint') return mintOne(rest, process)
    if (verb === 'inspect') return inspect.run(rest, process)
    return fresh.run(args, process)
  },
}

async function mintOne(args: readonly string[], process: Terminal): Promise<number> {
  const { values } = parseArgs({ args: [...args], options: OPTIONS })
  const fail = (message: string): number => {
    process.stderr.write(`${message}\n`)
    return EXIT_CONFIG
  }
  if (values.sub === undefined) return fail('--sub is needed: who the token is for')
  const lifetimeS = seconds(values.ttl)
  if (lifetimeS === undefined) return fail('--ttl is a number and s, m or h, such as 15m')
  const claims = { iss: values.issuer, aud: values.audience, sub: values.sub, groups: values.groups?.split(',') }
  try {
    const alg = values.alg ?? (values['key-file'] === undefined ? 'HS256' : 'RS256')
    if (!isAlgorithm(alg)) return fail('--alg is none of the algorithms that are known')
    process.stdout.write(`${mint(claims, keyMaterial(values, process), lifetimeS, Date.now(), { alg, kid: values.kid })}\n`)
    return 0
  } catch (error) {
    if (error instanceof JwtError || (error instanceof Error && 'code' in error)) return fail(error.message)
    throw error
  }
}

/**
 * A token with these claims, valid from now on.
 *
 * @param key - A secret as bytes or text, or a private key as PEM.
 * @throws JwtError - where the key does not fit.
 */
export function mint(claims: Claims, key: string, lifetimeS: number, nowMs: number, header: { alg: AlgorithmName; kid?: string | undefined } = { alg: 'HS256' }): string {
  const iat = Math.floor(nowMs / 1000)
  const material = key.includes('-----BEGIN ') ? key : Buffer.from(key)
  return sign({ ...claims, iat, exp: iat + lifetimeS }, signingKey(material), header)
}

function keyMaterial(values: { 'secret-file'?: string; 'key-file'?: string }, process: Terminal): string {
  const file = values['key-file'] ?? values['secret-file']
  // A secret on the command line could be read by everybody on the host.
  const material = file === undefined ? process.env.JWT__SECRET : readFileSync(file, 'utf8').replace(/\r?\n$/, '')
  if (material === undefined) throw new JwtError('JWT_KEY_MALFORMED', 'no key: --secret-file, --key-file or $JWT__SECRET')
  return material
}

function seconds(text: string): number | undefined {
  const match = /^(\d{1,6})([smh])$/.exec(text)
  return match === null ? undefined : Number(match[1]) * { s: 1, m: 60, h: 3600 }[match[2] as 's' | 'm' | 'h']
}

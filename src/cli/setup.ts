import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { type Config, type EffectiveOption, type Files, formatProblem, loadConfig, type OptionName } from '../config/index.ts'
import { CredentialsError, hostFiles } from '../credentials/index.ts'
import { IdentityError, type IssuerOptions, Revocations, type TrustedIssuer, trustedIssuers } from '../identity/index.ts'
import { Policy, PolicyError } from '../policy/index.ts'
import { OPERATIONS, type Rules } from '../proxy/index.ts'
import { type Certificate, isUsable } from '../server/index.ts'
import { Prices } from '../usage/index.ts'
import { claimsNamed } from './appearance.ts'
import type { Terminal } from './command.ts'
import { type ConfiguredIssuer, issuersOf } from './issuers.ts'
import { sdkValue } from './sdk.ts'

/** A configuration that can be served: read, checked, and with the files it names. */
export interface Setup {
  readonly config: Config
  readonly issuers: readonly TrustedIssuer[]
  readonly rules: Rules
  readonly tls: Certificate | undefined
  readonly revocations: { readonly path: string; readonly issuers: readonly (string | undefined)[] } | undefined
  /** PEM of the authorities to trust on the way to AWS. */
  readonly ca: string | undefined
  /** The same on the way to the Redis of the limits. */
  readonly limitsCa: string | undefined
  /** Every option as it counts, and where it comes from. */
  readonly options: readonly EffectiveOption[]
  /** What works but should not stay, as lines for people. */
  readonly hints: readonly string[]
}

export type ReadSetup = { readonly setup: Setup } | { readonly problems: readonly string[] }

/**
 * Reads the configuration and what it points to. All problems at once, as lines for people.
 *
 * @param files - In place of the disk.
 */
export function readSetup(args: { readonly config?: string | undefined }, { env, cwd }: Pick<Terminal, 'env' | 'cwd'>, files?: Files): ReadSetup {
  const reader = new Reader()
  const sdk = (option: OptionName, said: (option: OptionName) => unknown) => reader.sdk(() => sdkValue(option, said, { env, files: files ?? hostFiles }))
  const loaded = loadConfig({ args, env, cwd: cwd(), sdk, ...(files && { files }) })
  const { config } = loaded
  if (config === undefined) return { problems: [...loaded.problems.map(formatProblem), ...reader.problems] }
  const { jwt, server, aws } = config
  const issuers = issuersOf(jwt).flatMap(([key, issuer]) => reader.issuer(key, issuer, claimsNamed(config)))
  const names = issuersOf(jwt).map(([, { issuer }]) => issuer)
  const revocations = reader.revocations(jwt.revocation_file, names)
  const policy = reader.policy(config.policy, names)
  const tls = reader.certificate(server.tls)
  const ca = reader.authorities('aws.ca_file', aws.ca_file)
  const limitsCa = reader.authorities('limits.ca_file', config.limits.ca_file)
  if (policy === undefined || reader.problems.length > 0) return { problems: reader.problems }
  return { setup: { config, issuers, rules: rulesOf(config, policy), revocations, ca, limitsCa, hints: loaded.hints.map(formatProblem), options: loaded.options, tls } }
}

function rulesOf({ limits, pricing, policy: { rules } }: Config, policy: Policy): Rules {
  const doModelsMatter = pricing.length > 0 || rules.some(({ models, geographies }) => models !== undefined || geographies !== undefined)
  const areTokensLimited = [limits.default, ...limits.groups.values(), ...limits.users.values()].some((row) => TOKEN_LIMITS.some((name) => row[name] !== undefined))
  return { policy, prices: new Prices(pricing), reserveTokens: limits.reserve_tokens, doModelsMatter, areTokensLimited }
}

const TOKEN_LIMITS = ['tokens_per_minute', 'tokens_per_day', 'tokens_per_month', 'usd_per_day', 'usd_per_month'] as const

function issuerOptions(from: ConfiguredIssuer, carried: readonly string[], jwks: string | undefined, ca: string | undefined): IssuerOptions {
  return {
    issuer: from.issuer, secret: from.secret, publicKey: from.public_key, jwks, jwksUrl: from.jwks_url, ca, proxyUrl: from.proxy_url, namedHosts: from.named_hosts, maxStaleMs: from.max_stale,
    algorithms: from.algorithms, audiences: from.audience, leewayS: from.leeway / 1000, maxLifetimeS: from.max_lifetime && from.max_lifetime / 1000,
    names: { user: from.user_claims, groups: from.groups_claims, required: from.required_claims, carried },
  }
}

/** Reads files that options name, and remembers what went wrong instead of stopping at it. */
class Reader {
  readonly problems: string[] = []

  text(option: string, path: string | undefined): string | undefined {
    if (path === undefined) return undefined
    try {
      return readFileSync(path, 'utf8')
    } catch (error) {
      this.problems.push(`${option}: ${path} cannot be read (${(error as NodeJS.ErrnoException).code})`)
      return undefined
    }
  }

  sdk<T>(read: () => T): T | undefined {
    try {
      return read()
    } catch (error) {
      if (!(error instanceof CredentialsError)) throw error
      const problem = `aws.profile: ${error.message}`
      if (!this.problems.includes(problem)) this.problems.push(problem)
      return undefined
    }
  }

  authorities(option: string, path: string | undefined): string | undefined {
    const pem = this.text(option, path)
    if (pem === undefined || isCertificates(pem)) return pem
    this.problems.push(`${option}: ${path} is not one certificate or more in PEM`)
    return undefined
  }

  revocations(path: string | undefined, issuers: readonly (string | undefined)[]): Setup['revocations'] {
    const text = this.text('jwt.revocation_file', path)
    if (path === undefined || text === undefined) return undefined
    try {
      new Revocations(text, issuers)
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error
      this.problems.push(`jwt.revocation_file: ${path}: ${error.message}`)
    }
    return { path, issuers }
  }

  policy(options: Config['policy'], issuers: readonly (string | undefined)[]): Policy | undefined {
    try {
      return new Policy(options, { issuers, operations: OPERATIONS.map(({ name }) => name) })
    } catch (error) {
      if (!(error instanceof PolicyError)) throw error
      this.problems.push(error.message)
      return undefined
    }
  }

  certificate(tls: Config['server']['tls']): Certificate | undefined {
    const cert = this.text('server.tls.cert_file', tls.cert_file)
    const key = this.text('server.tls.key_file', tls.key_file)
    const clientCa = this.authorities('server.tls.client_ca_file', tls.client_ca_file)
    if (cert === undefined || key === undefined) return undefined
    if (isUsable({ cert, key, clientCa })) return { cert, key, clientCa }
    this.problems.push(`server.tls.cert_file, server.tls.key_file: ${tls.cert_file} and ${tls.key_file} are not a certificate and its private key in PEM`)
    return undefined
  }

  issuer(key: string, from: ConfiguredIssuer, carried: readonly string[]): readonly TrustedIssuer[] {
    const before = this.problems.length
    const options = issuerOptions(from, carried, this.text(`${key}.jwks_file`, from.jwks_file), this.authorities(`${key}.ca_file`, from.ca_file))
    // Without a file that could not be read it would look as if nothing was given.
    if (this.problems.length > before) return []
    try {
      return trustedIssuers([options])
    } catch (error) {
      if (!(error instanceof IdentityError)) throw error
      this.problems.push(`${key}: ${error.message}`)
      return []
    }
  }
}

/** Each block of it: OpenSSL stops at a torn one without a word, and where there is none Node trusts authorities that nobody named. */
function isCertificates(pem: string): boolean {
  const blocks = pem.split('-----BEGIN ').slice(1)
  try {
    for (const block of blocks) new X509Certificate(`-----BEGIN ${block}`)
    return blocks.length > 0
  } catch {
    return false
  }
}

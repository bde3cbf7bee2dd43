import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { SigningClock, SigningKeys } from '../sigv4/index.ts'
import type { HttpClient } from './http.ts'
import type { Run } from './process.ts'
import { type Credentials, CredentialsError } from './source.ts'
import type { ConfiguredKeys } from './static.ts'

/** What profiles are read from. */
export interface Shared {
  readonly env: Readonly<Record<string, string | undefined>>
  /** Name of a profile that goes before `AWS_PROFILE`. */
  readonly profile?: string | undefined
  readonly files: Files
  /** Whether a URL is this proxy itself: variables that lead there are for its clients, and are passed over. */
  readonly isOwn?: (url: string) => boolean
}

/** What decides who is asked for credentials. */
export interface Sight extends Shared {
  /** The provider that alone is asked. */
  readonly only?: ProviderName | undefined
  readonly configured: ConfiguredKeys
  /** For STS. */
  readonly region: string
  /** Which endpoints of AWS are asked. */
  readonly fips?: boolean
  readonly dualStack?: boolean
  /** Of STS, before any that the SDKs would find. */
  readonly stsEndpoint?: string | undefined
}

/** Everything a provider may look at, and ask. */
export interface World extends Sight {
  readonly http: HttpClient
  /** What requests to STS are signed with. */
  readonly signing: { readonly clock: SigningClock; readonly keys: SigningKeys }
  /** Runs the program of `credential_process`; absent where that is not allowed. */
  readonly run?: Run | undefined
  /** Rejects when aborted; must not keep the process alive. */
  readonly sleep: (ms: number, signal: AbortSignal) => Promise<void>
  /** From 0 to below 1. */
  readonly random: () => number
  readonly closing: AbortSignal
}

export const unrefSleep: World['sleep'] = (ms, signal) => sleep(ms, undefined, { ref: false, signal })

export type ProviderName = 'environment' | 'configuration' | 'profile' | 'web identity' | 'container' | 'instance metadata'

/** One link of the chain. */
export interface Provider {
  readonly name: ProviderName
  /** What it holds is better expired than absent: the service hands out old credentials while it is in trouble. */
  readonly stable?: true
  /** @throws CredentialsError - `CREDENTIALS_NOT_FOUND` where it is not set up. */
  readonly load: (world: World) => Credentials | Promise<Credentials>
}

export interface Files {
  /** @throws an error with a `code` where the file cannot be read or is not UTF-8. */
  readonly readText: (path: string) => string
  /** Replaces a file, for its owner's eyes only; that it cannot is no error. */
  readonly writeText?: (path: string, text: string) => void
}

export const hostFiles: Files = {
  readText: (path) => new TextDecoder('utf-8', { fatal: true }).decode(readFileSync(path)),
  writeText(path, text) {
    try {
      writeFileSync(`${path}.new`, text, { mode: 0o600 })
      renameSync(`${path}.new`, path)
    } catch {
      // A sandboxed service may not.
    }
  },
}

/** A file somebody named: it has to be there. */
export function readNamed({ files }: World, path: string, what: string): string {
  try {
    return files.readText(path)
  } catch (error) {
    throw new CredentialsError('CREDENTIALS_INVALID', `${what} cannot be read (${(error as NodeJS.ErrnoException).code})`)
  }
}

/** @throws CredentialsError - for what is no http or https URL, or holds a user or password, which would go out as a header. */
export function webUrl(text: string, what: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url === undefined || !/^https?:$/.test(url.protocol) || url.username !== '' || url.password !== '') {
    throw new CredentialsError('CREDENTIALS_INVALID', `${what} is not an http or https URL`)
  }
  return url
}

import { JsonError, parseJson } from '../json/index.ts'
import { SsoError } from './error.ts'

/** Asks for a document, by GET, or by POST of a form where there is one. It follows no redirect, and bounds what it takes. */
export type Ask = (url: string, signal: AbortSignal, form?: { readonly fields: Readonly<Record<string, string>>; readonly body: string }) =>
  Promise<{ readonly status: number; readonly bytes: Uint8Array }>

export interface Answer {
  readonly status: number
  /** The JSON object in the answer. */
  readonly said: Readonly<Record<string, unknown>>
}

const TIMEOUT_MS = 10_000

/**
 * Sends a form.
 *
 * @throws SsoError - `SSO_UNREACHABLE`, `SSO_ANSWER_MALFORMED`
 */
export async function post(ask: Ask, url: string, form: Parameters<Ask>[2]): Promise<Answer> {
  const { status, bytes } = await answered(ask, url, form)
  return { status, said: objectIn(bytes) }
}

/** The same of a document that must be there. */
export async function documentAt(ask: Ask, url: string): Promise<Answer['said']> {
  const { status, bytes } = await answered(ask, url)
  if (status !== 200) throw new SsoError('SSO_UNREACHABLE', 'the issuer did not answer as it should', `status ${status}`)
  return objectIn(bytes)
}

async function answered(ask: Ask, url: string, form?: Parameters<Ask>[2]): ReturnType<Ask> {
  return ask(url, AbortSignal.timeout(TIMEOUT_MS), form).catch((error: Error & { readonly code?: string }) => {
    throw new SsoError('SSO_UNREACHABLE', 'the issuer did not answer as it should', error.code)
  })
}

function objectIn(bytes: Uint8Array): Answer['said'] {
  try {
    const value = parseJson(bytes)
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Answer['said']
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
  }
  throw new SsoError('SSO_ANSWER_MALFORMED', 'the answer of the issuer is no JSON object')
}

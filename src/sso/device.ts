import { type Ask, post } from './ask.ts'
import type { ClientOptions } from './client.ts'
import type { Provider } from './discovery.ts'
import { plainWord, SsoError } from './error.ts'
import { clientForm, type Granted, requestTokens } from './token-endpoint.ts'

/** What a person does on another device, and what we wait with meanwhile (RFC 8628 section 3.2). */
export interface DeviceCode {
  readonly userCode: string
  readonly verificationUrl: string
  /** With the code in it, where the issuer can. */
  readonly completeUrl: string | undefined
  readonly deviceCode: string
  readonly expiresMs: number
  readonly intervalMs: number
}

const INTERVAL_S = 5
const MAX_LIFETIME_S = 3600

/** @throws SsoError - `SSO_NO_DEVICE_FLOW`, `SSO_REQUEST_REFUSED`, `SSO_ANSWER_MALFORMED`, `SSO_UNREACHABLE` */
export async function requestDeviceCode(provider: Provider, client: ClientOptions, ask: Ask, nowMs: number): Promise<DeviceCode> {
  if (provider.deviceEndpoint === undefined) throw new SsoError('SSO_NO_DEVICE_FLOW', 'the issuer has no flow for devices')
  const form = clientForm(provider, client, { scope: client.scopes.join(' '), ...client.target })
  const { status, said } = await post(ask, provider.deviceEndpoint, form)
  if (status !== 200) throw new SsoError('SSO_REQUEST_REFUSED', 'the issuer gave no code for devices', plainWord(said.error))
  const { device_code: deviceCode, user_code: userCode, verification_uri: url, verification_uri_complete: complete, expires_in: lifetimeS, interval = INTERVAL_S } = said
  // They are shown on a terminal: nothing in them may steer it.
  if (!isText(deviceCode) || !isText(userCode) || !isUrl(url) || !(complete === undefined || isUrl(complete)) || !isSeconds(lifetimeS) || !isSeconds(interval)) {
    throw new SsoError('SSO_ANSWER_MALFORMED', 'the issuer answered without a code that can be used')
  }
  return {
    userCode, deviceCode, verificationUrl: url, completeUrl: complete,
    expiresMs: nowMs + Math.min(lifetimeS, MAX_LIFETIME_S) * 1000, intervalMs: interval * 1000,
  }
}

const isText = (value: unknown): value is string => typeof value === 'string' && /^[ -~]{1,1024}$/.test(value)
const isUrl = (value: unknown): value is string => typeof value === 'string' && /^https?:\/\/[!-~]{1,1024}$/.test(value)
const isSeconds = (value: unknown): value is number => typeof value === 'number' && value > 0 && value <= 86_400

export interface Patience {
  readonly nowMs: () => number
  readonly wait: (ms: number) => Promise<void>
}

/**
 * Asks again and again until the person has agreed (RFC 8628 section 3.5).
 *
 * @throws SsoError - `SSO_TIMED_OUT`, `SSO_DENIED`, and what `requestTokens` throws.
 */
export async function awaitDevice(code: DeviceCode, provider: Provider, client: ClientOptions, ask: Ask, { nowMs, wait }: Patience): Promise<Granted> {
  const grant = { grant_type: 'urn:ietf:params:oauth:grant-type:device_code', device_code: code.deviceCode, ...client.target }
  let intervalMs = code.intervalMs
  while (nowMs() + intervalMs < code.expiresMs) {
    await wait(intervalMs)
    try {
      return await requestTokens(provider, client, ask, grant)
    } catch (error) {
      intervalMs = nextIntervalMs(error, intervalMs)
    }
  }
  throw expired()
}

function nextIntervalMs(error: unknown, intervalMs: number): number {
  if (!(error instanceof SsoError)) throw error
  const { code, detail } = error
  if (code === 'SSO_REQUEST_REFUSED' && detail === 'authorization_pending') return intervalMs
  if (code === 'SSO_REQUEST_REFUSED' && detail === 'slow_down') return intervalMs + 5000
  // Where the way there is in trouble, less often each time.
  if (code === 'SSO_UNREACHABLE') return intervalMs * 2
  if (detail === 'expired_token') throw expired()
  if (detail === 'access_denied') throw new SsoError('SSO_DENIED', 'the issuer has not let you in', detail)
  throw error
}

const expired = (): SsoError => new SsoError('SSO_TIMED_OUT', 'nobody has signed in in time')

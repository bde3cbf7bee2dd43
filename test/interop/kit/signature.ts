import { createHash } from 'node:crypto'
import { Sha256 } from '@aws-crypto/sha256-js'
import { SignatureV4 } from '@smithy/signature-v4'

export const REGION = 'eu-west-1'
export const ACCESS_KEY_ID = 'AKIAINTEROPEXAMPLE00'
export const SECRET_ACCESS_KEY = 'interop/wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLE'

/** A request as it came over the wire. */
export interface Wire {
  readonly method: string
  readonly target: string
  /** Flat name, value pairs. */
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  /** The name of the service that is asked; `bedrock` where it is not said. */
  readonly service?: string
  /** What the body hashes to, where that is not to be computed: the marker of a stream whose events are signed. */
  readonly payloadHash?: string
}

const MAX_SKEW_MS = 5 * 60_000

/** What AWS would find wrong with the signature of a request: AWS's own code signs it anew, and the two must be equal. */
export async function signatureFault(wire: Wire): Promise<string | undefined> {
  const headers = new Map<string, string>()
  for (let i = 0; i < wire.rawHeaders.length; i += 2) {
    const name = wire.rawHeaders[i]!.toLowerCase()
    if (headers.has(name)) return `${name} came twice`
    headers.set(name, wire.rawHeaders[i + 1]!)
  }
  const authorization = headers.get('authorization') ?? ''
  const signedNames = /SignedHeaders=([^,]+)/.exec(authorization)?.[1]?.split(';')
  if (signedNames === undefined) return 'there is no signature'
  const unsigned = [...headers.keys()].filter((name) => (name === 'host' || name.startsWith('x-amz-')) && !signedNames.includes(name))
  if (unsigned.length > 0) return `not signed: ${unsigned.join(', ')}`
  if (headers.get('x-amz-content-sha256') !== (wire.payloadHash ?? createHash('sha256').update(wire.body).digest('hex'))) return 'x-amz-content-sha256 is not the hash of the body'
  const signingDate = dateOf(headers.get('x-amz-date') ?? '')
  if (!(Math.abs(Date.now() - signingDate.getTime()) < MAX_SKEW_MS)) return 'x-amz-date is not now'

  const expected = await resign(wire, signedNames.map((name) => [name, headers.get(name) ?? '']), signingDate)
  return authorization === expected ? undefined : `the signature is wrong:\n  got      ${authorization}\n  expected ${expected}`
}

async function resign({ service = 'bedrock', method, target, body }: Wire, headers: readonly (readonly [string, string])[], signingDate: Date): Promise<string | undefined> {
  const { pathname, search, query } = splitTarget(target)
  const signer = new SignatureV4({
    service, region: REGION, credentials: { accessKeyId: ACCESS_KEY_ID, secretAccessKey: SECRET_ACCESS_KEY }, sha256: Sha256,
  })
  const request = { method, protocol: 'http:', hostname: '', path: pathname, query, headers: Object.fromEntries(headers), body, search }
  return (await signer.sign(request, { signingDate })).headers.authorization
}

function splitTarget(target: string): { pathname: string; search: string; query: Record<string, string[]> } {
  const mark = target.indexOf('?')
  const [pathname, search] = mark < 0 ? [target, ''] : [target.slice(0, mark), target.slice(mark + 1)]
  const query: Record<string, string[]> = {}
  for (const pair of search.split('&').filter((text) => text !== '')) {
    const [name = '', value = ''] = pair.split('=', 2).map(decodeURIComponent)
    query[name] = [...(query[name] ?? []), value]
  }
  return { pathname, search, query }
}

function dateOf(stamp: string): Date {
  return new Date(stamp.replace(/^(\d{4})(\d\d)(\d\d)T(\d\d)(\d\d)(\d\d)Z$/, '$1-$2-$3T$4:$5:$6Z'))
}

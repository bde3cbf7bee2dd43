import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as sigv4 from '../../src/sigv4/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { type Case, checkSigner, checkVerifier, pairsOf, received, sha256 } from './case.ts'

// The official suite. Deviations, each decided:
// - `query` halves (presigned URLs): not built; no client of AWS Bedrock that we serve needs one signed by us.
// - `host-port` (a URL to its Host header): not a signer's; sign() takes the host as it goes on the wire.
// - `*-normalized`: the caller normalises (normalizePath), because the proxy refuses such paths before they are signed.

interface SuiteCase {
  readonly name: string
  readonly request: string
  readonly context: {
    readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string; readonly token?: string }
    readonly region: string | null
    readonly service: string | null
    readonly timestamp: string
    readonly normalize: boolean
    readonly sign_body: boolean
    readonly omit_session_token?: boolean
  }
  readonly header?: {
    readonly canonical_request: string
    readonly string_to_sign?: string
    readonly string_to_sign_upstream_unasserted?: string
    readonly signature?: string
  }
  readonly exclude_headers?: readonly string[]
  readonly expect_reject?: string
}

interface UnitPairs { readonly name: string; readonly pairs: readonly (readonly [string, string])[] }
interface UnitQuery { readonly name: string; readonly query: string; readonly expected: string }
interface UnitHeaders { readonly name: string; readonly request_headers: Readonly<Record<string, string>>; readonly signed_headers: string }

conformance('sigv4', (folder) => {
  const { cases } = readJson<{ cases: readonly SuiteCase[] }>(folder, 'open', 'cases.json')
  test('the suite is whole', () => assert.equal(cases.length, 42))
  for (const upstream of cases) {
    if (upstream.expect_reject === undefined) test(`sign() and verifyRequest() agree with the suite: ${upstream.name}`, () => bothSides(upstream))
    else test(`sign() refuses what only a signer may write: ${upstream.name}`, () => rejected(upstream))
  }

  const units = readJson<readonly (UnitPairs & UnitQuery & UnitHeaders)[]>(folder, 'open', 'event-and-units.json')
  const unit = (name: string) => units.find((each) => each.name === name) ?? assert.fail(name)

  test('canonicalQuery() keeps "~" and writes "=" after a name without value', () => {
    const { query, expected } = unit('query-tilde')
    assert.equal(sigv4.canonicalQuery(pairsOf(query)), expected)
  })
  test('canonicalHeaders() trims values and folds their blanks', () => {
    for (const [raw, folded] of unit('header-trim-all').pairs) assert.equal(sigv4.canonicalHeaders([['a', raw]]).block, `a:${folded}\n`)
  })
  test('canonicalHeaders() leaves out what changes between hops', () => {
    const { request_headers, signed_headers } = unit('header-exclusion')
    const headers = [...Object.entries(request_headers), ['host', 'h'], ['x-amz-date', 'd']] as const
    assert.equal(sigv4.canonicalHeaders(headers as readonly sigv4.Pair[]).signedHeaders, signed_headers)
  })
  test('sign() signs a host with its port as it is given', () => {
    for (const [, host] of unit('host-port').pairs) assert.equal(sigv4.canonicalHeaders([['Host', host]]).block, `host:${host}\n`)
  })
})

function bothSides(upstream: SuiteCase): void {
  const vector = read(upstream)
  const added = checkSigner(vector)
  assert.ok(checkVerifier(vector, added) > 150)
  const { token } = upstream.context.credentials
  if (upstream.context.omit_session_token === true && token !== undefined) {
    // The suite adds the token after signing, as S3 allowed once. Our verifier wants every x-amz-* header signed.
    const request = received(vector, [...added, ['X-Amz-Security-Token', token]])
    const { secretAccessKey } = vector.credentials
    assert.throws(() => sigv4.verifyRequest(request, () => secretAccessKey, { nowMs: 0, maxSkewMs: Infinity }), { code: 'SIGV4_NOT_SIGNED' })
  }
}

function rejected(upstream: SuiteCase): void {
  const { request, credentials, scope, date } = read(upstream)
  assert.throws(() => sigv4.sign(request, credentials, scope, date, new sigv4.SigningKeys()), { name: 'SigV4Error', code: 'SIGV4_RESERVED' })
}

function read({ name, request: text, context, header, exclude_headers = [] }: SuiteCase): Case {
  const { method, target, headers, body } = parse(text)
  const [path = '', query = ''] = target.split('?')
  const isSigned = ([header]: sigv4.Pair) => !exclude_headers.includes(header.toLowerCase())
  const { access_key_id, secret_access_key, token } = context.credentials
  return {
    name,
    request: {
      method,
      path: context.normalize ? sigv4.normalizePath(path) : path,
      query: pairsOf(query),
      headers: headers.filter(isSigned),
      payloadHash: sha256(body),
      sendPayloadHash: context.sign_body,
    },
    normalized: context.normalize,
    target: Buffer.from(target).toString('latin1'),
    unsigned: headers.filter((pair) => !isSigned(pair)),
    credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key, sessionToken: context.omit_session_token === true ? undefined : token },
    scope: { region: context.region ?? 'us-east-1', service: context.service ?? 'execute-api' },
    date: context.timestamp.replace(/[-:]/g, ''),
    expected: {
      canonicalRequest: header?.canonical_request,
      stringToSign: header?.string_to_sign ?? header?.string_to_sign_upstream_unasserted,
      signature: header?.signature,
    },
  }
}

/** Reads the suite's requests: LF line ends, folded lines, a raw space in the target. The date is the context's, not theirs. */
function parse(text: string): { method: string; target: string; headers: sigv4.Pair[]; body: string } {
  const end = text.includes('\n\n') ? text.indexOf('\n\n') : text.length
  const [requestLine = '', ...lines] = text.slice(0, end).replace(/\n[ \t]+/g, ' ').split('\n').filter(Boolean)
  const method = requestLine.slice(0, requestLine.indexOf(' '))
  const target = requestLine.slice(method.length + 1, requestLine.lastIndexOf(' HTTP/'))
  const headers = lines.map((line): sigv4.Pair => [line.slice(0, line.indexOf(':')), line.slice(line.indexOf(':') + 1)])
  return { method, target, headers: headers.filter(([name]) => name.toLowerCase() !== 'x-amz-date'), body: text.slice(end + 2) }
}

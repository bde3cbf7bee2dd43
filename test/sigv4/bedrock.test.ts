import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as sigv4 from '../../src/sigv4/index.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { type Case, checkSigner, checkVerifier, pairsOf, sha256 } from './case.ts'

interface OracleCase {
  readonly name: string
  readonly method: string
  readonly url: string
  readonly timestamp: string
  readonly region: string
  readonly service: string
  readonly credentials: { readonly access_key_id: string; readonly secret_access_key: string; readonly token?: string }
  readonly signed_headers: Readonly<Record<string, string>>
  readonly body_base64: string
  readonly canonical_request: string
  readonly string_to_sign: string
  readonly authorization: string
}

const ADDED = ['x-amz-date', 'x-amz-security-token', 'x-amz-content-sha256', 'authorization']

conformance('sigv4-bedrock-oracle', (folder) => {
  const { cases } = readJson<{ cases: readonly OracleCase[] }>(folder, 'open', 'cases.json')
  test('the oracle is whole', () => assert.equal(cases.length, 27))
  for (const oracle of cases) {
    test(`sign() and verifyRequest() agree with botocore: ${oracle.name}`, () => {
      const vector = fromOracle(oracle)
      assert.ok(checkVerifier(vector, checkSigner(vector)) > 150)
    })
  }
})

function fromOracle(oracle: OracleCase): Case {
  const target = oracle.url.replace(/^https:\/\/[^/]+/, '')
  const [path = '', query = ''] = target.split('?')
  const { access_key_id, secret_access_key, token } = oracle.credentials
  return {
    name: oracle.name,
    request: {
      method: oracle.method,
      path,
      query: pairsOf(query),
      headers: Object.entries(oracle.signed_headers).filter(([name]) => !ADDED.includes(name)),
      payloadHash: sha256(Buffer.from(oracle.body_base64, 'base64')),
      sendPayloadHash: 'x-amz-content-sha256' in oracle.signed_headers,
    },
    target,
    credentials: { accessKeyId: access_key_id, secretAccessKey: secret_access_key, sessionToken: token },
    scope: { region: oracle.region, service: oracle.service },
    date: oracle.timestamp.replace(/[-:]/g, ''),
    expected: { canonicalRequest: oracle.canonical_request, stringToSign: oracle.string_to_sign, authorization: oracle.authorization },
  }
}

interface ContractVector {
  readonly id: string
  readonly input: {
    readonly method: string
    readonly host: string
    readonly path: string
    readonly query: Readonly<Record<string, string>>
    readonly headers: Readonly<Record<string, string>>
    readonly body: string | null
    readonly region: string
    readonly service: string
    readonly credentials: { readonly accessKeyId: string; readonly secretAccessKey: string; readonly sessionToken: string | null }
    readonly date: string
    readonly signPayloadHeader: boolean
    readonly authorityInsteadOfHost: boolean
  }
  readonly expected: {
    readonly headersSent: Readonly<Record<string, string>>
    readonly payloadHash: string
    readonly canonicalRequest: string
    readonly stringToSign: string
    readonly signingKeyHex: string
    readonly signature: string
    readonly authorization: string
  }
}

conformance('bedrock-contract', (folder) => {
  const { vectors } = readJson<{ vectors: readonly ContractVector[] }>(folder, 'sigv4-bedrock-vectors.json')
  test('the contract is whole', () => assert.equal(vectors.length, 20))
  for (const contract of vectors) {
    test(`sign() and verifyRequest() keep the contract: ${contract.id}`, () => {
      const vector = fromContract(contract)
      const { credentials, scope, date, request } = vector
      const key = sigv4.signingKey(credentials.secretAccessKey, date.slice(0, 8), scope)
      assert.equal(key.export().toString('hex'), contract.expected.signingKeyHex)
      const added = checkSigner(vector)
      const sent = Object.fromEntries([...request.headers, ...added].map(([name, value]) => [name.toLowerCase(), value]))
      assert.deepEqual(sent, lowerCased({ [vector.request.headers[0]?.[0] ?? '']: contract.input.host, ...contract.expected.headersSent }))
      assert.ok(checkVerifier(vector, added) > 150)
    })
  }
})

const lowerCased = (headers: Readonly<Record<string, string>>) => Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]))

function fromContract({ id, input, expected }: ContractVector): Case {
  const query = Object.entries(input.query)
  const { accessKeyId, secretAccessKey, sessionToken } = input.credentials
  const own = Object.entries(input.headers).filter(([name]) => !ADDED.includes(name))
  return {
    name: id,
    request: {
      method: input.method,
      path: input.path,
      query,
      headers: [[input.authorityInsteadOfHost ? ':authority' : 'host', input.host], ...own],
      payloadHash: input.body === null ? sigv4.STREAMING_EVENTS : sha256(input.body),
      sendPayloadHash: input.signPayloadHeader,
    },
    target: query.length === 0 ? input.path : `${input.path}?${sigv4.canonicalQuery(query)}`,
    credentials: { accessKeyId, secretAccessKey, sessionToken: sessionToken ?? undefined },
    scope: { region: input.region, service: input.service },
    date: input.date.replace(/[-:]/g, ''),
    expected,
  }
}

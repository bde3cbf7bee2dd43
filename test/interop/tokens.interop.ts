import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHmac, createPublicKey, generateKeyPairSync, randomBytes, randomUUID } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { importPKCS8, SignJWT } from 'jose'
import { ALGORITHMS } from '../../src/jwt/index.ts'
import { closing } from './kit/closing.ts'
import { ENVIRONMENT } from './kit/driver.ts'
import { PYTHON } from './kit/python.ts'
import { folder, freshProgram } from './kit/world.ts'

/** Tokens by two libraries that are not ours, jose and PyJWT, in every algorithm that the proxy knows. */

type Algorithm = (typeof ALGORITHMS)[number]

interface Claims {
  readonly iss: string
  readonly sub: string
  readonly exp: number
  readonly jti: string
}

const PEM = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } } as const
const ec = (namedCurve: string) => generateKeyPairSync('ec', { namedCurve, ...PEM })
const RSA = generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM })
const ED25519 = generateKeyPairSync('ed25519', PEM)
const PAIRS = { RS: RSA, PS: RSA, ES256: ec('P-256'), ES384: ec('P-384'), ES512: ec('P-521'), Ed: ED25519 } as const
const SECRET = randomBytes(48).toString('base64')

const BY_SECRET = 'https://secret.interop.test'
const BY_KEYS = 'https://keys.interop.test'
const keyOf = (alg: Algorithm): keyof typeof PAIRS | undefined => (Object.keys(PAIRS) as (keyof typeof PAIRS)[]).find((name) => alg.startsWith(name))
const pemOf = (alg: Algorithm): string | undefined => PAIRS[keyOf(alg)!]?.privateKey
const kidOf = (alg: Algorithm): string => keyOf(alg)?.replace('PS', 'RS') ?? 'secret'

const config = join(folder, 'issuers.json')
const jwks = join(folder, 'keys.json')
const publicJwk = (kid: string, pem: string) => ({ ...createPublicKey(pem).export({ format: 'jwk' }), kid })
writeFileSync(jwks, JSON.stringify({ keys: Object.entries(PAIRS).filter(([name]) => name !== 'PS').map(([name, { publicKey }]) => publicJwk(name, publicKey)) }))
writeFileSync(config, JSON.stringify({ jwt: { issuers: [{ issuer: BY_SECRET, secret: SECRET }, { issuer: BY_KEYS, jwks_file: jwks }] } }), { mode: 0o600 })
const running = freshProgram({ JWT__SECRET: undefined, JWT__ISSUER: undefined, BEDROCK_SSO_PROXY_CONFIG: config }, false)

const claimsFor = (alg: Algorithm): Claims => ({ iss: alg.startsWith('HS') ? BY_SECRET : BY_KEYS, sub: 'alice', exp: Math.floor(Date.now() / 1000) + 300, jti: randomUUID() })

async function byJose(alg: Algorithm): Promise<string> {
  const pem = pemOf(alg)
  const key = pem === undefined ? Buffer.from(SECRET) : await importPKCS8(pem, alg)
  return new SignJWT({ ...claimsFor(alg) }).setProtectedHeader({ alg, kid: kidOf(alg) }).sign(key)
}

/** It does not know Ed25519 by its full name (RFC 9864) yet. */
const KNOWN_TO_PYJWT = ALGORITHMS.filter((alg) => alg !== 'Ed25519')

function byPyJwt(): Map<Algorithm, string> {
  const wanted = KNOWN_TO_PYJWT.map((alg) => ({ alg, kid: kidOf(alg), key: pemOf(alg) ?? SECRET, claims: claimsFor(alg) }))
  const made = execFileSync(PYTHON, [join(import.meta.dirname, 'python', 'mint.py')], { env: ENVIRONMENT, input: JSON.stringify(wanted), encoding: 'utf8' })
  return new Map((JSON.parse(made) as string[]).map((token, i) => [KNOWN_TO_PYJWT[i]!, token]))
}

async function status(token: string): Promise<number> {
  const answer = await fetch(`${(await running).url}/model/interop.tokens/invoke`, { method: 'POST', body: '{}', headers: { authorization: `Bearer ${token}` } })
  await answer.arrayBuffer()
  return answer.status
}

/** A token with another algorithm in its header, and nothing else changed; with `signature` in place of its own. */
function swapped(token: string, alg: string, signature?: (signed: string) => string): string {
  const [header, payload, own] = token.split('.') as [string, string, string]
  const other = { ...JSON.parse(Buffer.from(header, 'base64url').toString()) as object, alg }
  const signed = `${Buffer.from(JSON.stringify(other)).toString('base64url')}.${payload}`
  return `${signed}.${signature === undefined ? own : signature(signed)}`
}

const PYJWT = byPyJwt()

for (const alg of ALGORITHMS) {
  test(`${alg}: a token by jose or PyJWT is accepted, and with any other algorithm in its header refused`, async () => {
    const tokens = [await byJose(alg), PYJWT.get(alg)].filter((token) => token !== undefined)
    assert.deepEqual(await Promise.all(tokens.map(status)), tokens.map(() => 200))
    const others = [...ALGORITHMS.filter((other) => other !== alg), 'none', 'None', 'ES256K', '']
    const refused = tokens.flatMap((token) => [...others.map((other) => swapped(token, other)), swapped(token, 'none', () => '')])
    assert.deepEqual(await Promise.all(refused.map(status)), refused.map(() => 401))
  })
}

test('a public key never serves as a secret', async () => {
  for (const [name, { publicKey }] of Object.entries(PAIRS)) {
    const token = await byJose(ALGORITHMS.find((alg) => alg.startsWith(name))!)
    const der = createPublicKey(publicKey).export({ type: 'spki', format: 'der' })
    const forged = [publicKey, publicKey.trimEnd(), der].flatMap((key) => ([['HS256', 'sha256'], ['HS384', 'sha384'], ['HS512', 'sha512']] as const)
      .map(([alg, hash]) => swapped(token, alg, (signed) => createHmac(hash, key).update(signed).digest('base64url'))))
    assert.deepEqual(await Promise.all(forged.map(status)), forged.map(() => 401), name)
  }
})

closing('tokens')

import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { keySetFromPem, keySetFromSecret, verify } from '../../src/jwt/index.ts'
import { Program } from '../kit/program.ts'
import { JWT_SECRET } from '../kit/proxy.ts'

const folder = mkdtempSync(join(tmpdir(), 'token-'))
after(() => rmSync(folder, { recursive: true }))

async function mint(args: readonly string[], env: Readonly<Record<string, string>> = {}): Promise<{ code: number | null; token: string; err: string }> {
  const program = new Program(['token', 'mint', ...args], env)
  return { code: await program.ended(), token: program.stdout.join('\n'), err: program.stderr.join('\n') }
}

test('token mint makes a token that verifies, with the claims asked for', async () => {
  const { code, token } = await mint(['--sub', 'ci', '--groups', 'a,b', '--issuer', 'https://i', '--audience', 'bedrock', '--ttl', '15m'], { JWT__SECRET: JWT_SECRET })
  assert.equal(code, 0)
  const nowS = Date.now() / 1000
  const { claims } = verify(token, { keys: keySetFromSecret(Buffer.from(JWT_SECRET)), algorithms: ['HS256'], issuer: 'https://i', audiences: ['bedrock'] }, nowS)
  assert.deepEqual([claims.sub, claims.groups, claims.exp - claims.iat!], ['ci', ['a', 'b'], 900])
})

const PEM = { privateKeyEncoding: { type: 'pkcs8', format: 'pem' }, publicKeyEncoding: { type: 'spki', format: 'pem' } } as const
for (const [algs, pair] of [
  [['RS256', 'RS384', 'RS512', 'PS256'], generateKeyPairSync('rsa', { modulusLength: 2048, ...PEM })],
  [['ES256'], generateKeyPairSync('ec', { namedCurve: 'P-256', ...PEM })],
  [['ES384'], generateKeyPairSync('ec', { namedCurve: 'P-384', ...PEM })],
  [['EdDSA'], generateKeyPairSync('ed25519', PEM)],
] as const) {
  test(`token mint signs with a private key of a file: ${algs.join(', ')}`, async () => {
    const file = join(folder, `${algs[0]}.pem`)
    writeFileSync(file, pair.privateKey)
    for (const alg of algs) {
      const { token } = await mint(['--sub', 'ci', '--key-file', file, '--alg', alg, '--kid', 'k'])
      const { header, claims } = verify(token, { keys: keySetFromPem(pair.publicKey), algorithms: [alg] }, Date.now() / 1000)
      assert.deepEqual([header.alg, header.kid, claims.sub], [alg, 'k', 'ci'])
    }
  })
}

test('token mint says what is missing or does not fit, and prints no token', async () => {
  for (const [args, env, problem] of [
    [['--sub', 'x'], {}, /no key/],
    [[], { JWT__SECRET: JWT_SECRET }, /--sub is needed/],
    [['--sub', 'x', '--ttl', 'soon'], { JWT__SECRET: JWT_SECRET }, /--ttl/],
    [['--sub', 'x', '--alg', 'none'], { JWT__SECRET: JWT_SECRET }, /--alg/],
    [['--sub', 'x', '--alg', 'RS256'], { JWT__SECRET: JWT_SECRET }, /./],
    [['--sub', 'x', '--secret-file', join(folder, 'missing')], {}, /ENOENT/],
  ] as const) {
    const { code, token, err } = await mint(args, env)
    assert.equal(code, 78)
    assert.equal(token, '')
    assert.match(err, problem)
  }
})

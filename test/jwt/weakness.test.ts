import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { secretWeakness } from '../../src/jwt/index.ts'
import { KNOWN_SECRETS } from '../../src/jwt/known-secrets.ts'
import { conformance } from '../kit/vectors.ts'

const weakness = (text: string) => secretWeakness(Buffer.from(text))
const KNOWN = 'is on a public list of secrets'

conformance('weak-jwt-secrets', (folder) => {
  const lines = readFileSync(join(folder, 'open', 'jwt.secrets.list'), 'latin1').split('\n').map((line) => line.replace(/\r$/, ''))
  const long = lines.filter((line) => line.length >= 32)

  test('KNOWN_SECRETS holds what the patterns let pass of the public list, and nothing else', () => {
    const prints = (text: string) => createHash('sha256').update(text.replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, ''), 'latin1').digest().toString('base64', 0, 6)
    // Without the list: what is only known because of it is what the patterns let pass.
    const passed = long.filter((line) => [undefined, KNOWN].includes(secretWeakness(Buffer.from(line, 'latin1'))))
    const expected = [...new Set(passed.map(prints))].sort()
    if (process.env.UPDATE_KNOWN_SECRETS === '1') writeKnown(expected)
    else assert.deepEqual(KNOWN_SECRETS.match(/\S{8}/g), expected, 'run this test with UPDATE_KNOWN_SECRETS=1 to write src/jwt/known-secrets.ts again')
  })

  test('secretWeakness() refuses every line of the public list that would be long enough', () => {
    assert.ok(long.length > 1000)
    for (const line of long) {
      for (const text of [line, `${line}\r`, `${line}\n`]) assert.notEqual(secretWeakness(Buffer.from(text, 'latin1')), undefined, line)
    }
  })

  test('secretWeakness() knows more than half of the list by its patterns alone', () => {
    const byPattern = long.filter((line) => secretWeakness(Buffer.from(line, 'latin1')) !== KNOWN)
    assert.ok(byPattern.length / long.length > 0.55, `${byPattern.length} of ${long.length}`)
  })
})

function writeKnown(prints: readonly string[]): void {
  const rows = prints.join('').match(/.{1,144}/g) ?? []
  const text = [
    '/**',
    ' * Secrets of 32 bytes or more that wallarm/jwt-secrets lists (MIT) and the patterns of `secretWeakness` let pass: of each, white',
    ' * space around it cut off, the first 48 bits of its SHA-256 in base64, eight characters; sorted. Not the secrets themselves.',
    ' * Made by test/jwt/weakness.test.ts.',
    ' */',
    'export const KNOWN_SECRETS = `',
    ...rows,
    '`',
    '',
  ].join('\n')
  writeFileSync(join(import.meta.dirname, '..', '..', 'src', 'jwt', 'known-secrets.ts'), text)
}

test('secretWeakness() says what is wrong', () => {
  const cases: readonly [string, string][] = [
    ['your-jwt-secret', 'stands for fewer than 32 bytes'],
    ['0123456789abcdef0123456789abcde\n', 'stands for fewer than 32 bytes'],
    ['c4b8e9a2-7d15-4f63-9b0e-2a7c5d81f346', 'is a UUID'],
    ['{C4B8E9A2-7D15-4F63-9B0E-2A7C5D81F346}', 'is a UUID'],
    ['9f86d081884c7d659a2feaa0c55ad015', 'is hexadecimal and stands for fewer than 32 bytes'],
    ['my-company-jwt-Secret-93hf82hf9a8h', 'is made of words'],
    ['a4Xk29-changeme-81Lq0zPw7Rt5Vb3Nn', 'is made of words'],
    ['correct-horse-battery-staple-and-more', 'is made of words'],
    ['nobody will ever find out what it is', 'is made of words'],
    ['EVERY WORD OF THIS IS WRITTEN LARGE', 'is made of words'],
    ['zqxjvkwbfphgymcludnriatosezqxjvkwbfp', 'is short for the few kinds of characters in it'],
    ['a1a1b2b2a1a1b2b2a1a1b2b2a1a1b2b2a1a1b2b2', 'is hexadecimal and stands for fewer than 32 bytes'],
    ['x'.repeat(64), 'has few different characters'],
    ['0'.repeat(64), 'has few different characters'],
    ['qwertyuiopASDFGHJKLzxcvbnm1234567890!', 'is made of words, runs or repetitions'],
    ['abcdefghijklmNOPQRSTUVWXYZ0123456789+', 'is made of words, runs or repetitions'],
    ['k7Rp2xVq9Lm4Zs8WdTk7Rp2xVq9Lm4Zs8WdT', 'is made of words, runs or repetitions'],
    ['SgVkYp3s6v9y$B&E)H@McQfTjWnZr4u7x!A%', 'is made of words, runs or repetitions'],
    [Buffer.from('this is the secret of our company').toString('base64'), 'is made of words'],
    [Buffer.from('this is the secret of our company').toString('base64url'), 'is made of words'],
    [Buffer.from('this is the secret of our company').toString('hex'), 'is made of words'],
    [Buffer.from('k7Rp2xVq9Lm4Zs8Wd1Tf').toString('hex'), 'is hexadecimal and stands for fewer than 32 bytes'],
    [Buffer.from('k7Rp2xVq9Lm4Zs8Wd1TfGh5J').toString('base64'), 'stands for fewer than 32 bytes'],
    ['eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiIxIn0.c2ln', 'is made of words'],
  ]
  for (const [text, expected] of cases) assert.equal(weakness(text), expected, text)
  assert.equal(secretWeakness(Buffer.alloc(32)), 'has few different characters')
  assert.equal(secretWeakness(Buffer.from(Array.from({ length: 32 }, (_, i) => i))), 'is made of words, runs or repetitions')
  assert.equal(weakness('-----BEGIN PUBLIC KEY-----\nMCowBQYDK2VwAyEAk7Rp2xVq9Lm4Zs8Wd1TfGh5Jk7Rp2xVq9Lm4Zs8Wd1Q=\n-----END PUBLIC KEY-----\n'), 'is made of words')
})

test('secretWeakness() never refuses what was drawn at random', () => {
  const forms: readonly ((bytes: Buffer) => Buffer | string)[] = [
    (bytes) => bytes,
    (bytes) => bytes.toString('hex'),
    (bytes) => bytes.toString('hex').toUpperCase(),
    (bytes) => bytes.toString('base64'),
    (bytes) => bytes.toString('base64url'),
    (bytes) => `${bytes.toString('base64')}\n`,
    (bytes) => Buffer.from(bytes.toString('hex')).toString('base64'),
  ]
  for (const size of [32, 33, 48, 64, 256]) {
    for (let round = 0; round < (size === 256 ? 50 : 500); round++) {
      for (const form of forms) {
        const secret = Buffer.from(form(randomBytes(size)))
        assert.equal(secretWeakness(secret), undefined, secret.toString('latin1'))
      }
    }
  }
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { lines, load, NEEDED } from './kit.ts'

test('The region is AWS__REGION, then AWS_REGION, then AWS_DEFAULT_REGION, then the file', () => {
  const env = { AWS__REGION: 'us-east-1', AWS_REGION: 'us-east-2', AWS_DEFAULT_REGION: 'us-west-1' }
  const { AWS__REGION: _, ...theirs } = env
  assert.equal(load(NEEDED, env).config?.aws.region, 'us-east-1')
  assert.equal(load(NEEDED, theirs).config?.aws.region, 'us-east-2')
  assert.equal(load(NEEDED, { AWS_REGION: '', AWS_DEFAULT_REGION: 'us-west-1' }).config?.aws.region, 'us-west-1')
  assert.equal(load(NEEDED).config?.aws.region, 'eu-central-1')
})

test('A region that could change a host name is refused', () => {
  for (const region of ['evil.com/', 'us-east-1.evil.com', 'US-EAST-1', 'us', '-us', 'us_east_1']) {
    assert.deepEqual(lines(load(NEEDED, { AWS_REGION: region })), [`AWS_REGION: aws.region: expected a region such as us-east-1, found "${region}"`])
  }
})

test('An empty variable counts as not set, known or not', () => {
  const { config } = load(NEEDED, { SERVER__PORT: '', JWT__SECRET: '', JWT__SECRET_FILE: '', JWT__UNKNOWN: '' })
  assert.deepEqual([config?.server.port, config?.jwt.secret?.reveal()], [3000, 'hush'])
})

for (const [name, suggestion] of [
  ['SERVER__PROT', '; did you mean SERVER__PORT?'],
  ['server__port', '; did you mean SERVER__PORT?'],
  ['JWT__SECRET_FILES', '; did you mean JWT__SECRET_FILE?'],
  ['AWS__TIMEOUT__IDLE', '; did you mean AWS__TIMEOUTS__IDLE?'],
  ['AWS__UPSTREAM__0__MODEL', ''],
  ['JWT__', ''],
  ['LOGGING__COLOUR', ''],
] as const) {
  test(`The variable ${name} looks like ours and is none, so it is a problem`, () => {
    assert.deepEqual(lines(load(NEEDED, { [name]: 'x' })), [`${name}: expected the variable of an option${suggestion}`])
  })
}

test('Variables of others are left alone', () => {
  const names = ['PATH', 'JWT_SECRET', 'AWS_REGIONS', 'AWS_ACCESS_KEY_ID', 'SERVER', 'SERVER_PORT', 'HTTP__PORT', '__proto__', 'constructor', '_']
  assert.deepEqual(lines(load(NEEDED, Object.fromEntries(names.map((name) => [name, 'x'])))), [])
})

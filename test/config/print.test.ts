import assert from 'node:assert/strict'
import { test } from 'node:test'
import { load } from './kit.ts'

test('check --print shows value, unit and source of every option, and no secret', () => {
  const loaded = load('{"jwt": {"secret": "hush-hush"},\n"server": {"drain_timeout": "2s"},\n"aws": {"region": "us-east-1"}}', { SERVER__MAX_BODY: '1KiB', AWS__SESSION_TOKEN: '' })
  assert.ok(loaded.config)
  const { options } = loaded
  const row = (wanted: string) => options.find(({ name }) => name === wanted)
  assert.deepEqual(row('server.port'), { name: 'server.port', value: '3000', source: 'default', reload: 'restart' })
  assert.deepEqual(row('server.drain_timeout'), { name: 'server.drain_timeout', value: '2000ms', source: '/srv/config.json:2', reload: 'restart' })
  assert.deepEqual(row('server.max_body'), { name: 'server.max_body', value: '1024 bytes', source: 'SERVER__MAX_BODY', reload: 'restart' })
  assert.deepEqual(row('jwt.secret'), { name: 'jwt.secret', value: '[secret]', source: '/srv/config.json:1', reload: 'live' })
  assert.deepEqual(row('jwt.issuer'), { name: 'jwt.issuer', value: 'none', source: 'default', reload: 'live' })
  assert.ok(!JSON.stringify(options).includes('hush'))
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { openHouse, TOKEN } from './kit.ts'

const trusting = await openHouse({ SERVER__TRUSTED_PROXIES: '127.0.0.0/8, 10.1.0.0/16' })
const wary = await openHouse({ SERVER__TRUSTED_PROXIES: '10.1.0.0/16' })

for (const protocol of PROTOCOLS) {
  for (const [house, headers, source] of [
    [trusting, { 'x-forwarded-for': '1.2.3.4, 198.51.100.1, 10.1.0.9' }, '198.51.100.1'],
    [trusting, { forwarded: 'for="[2001:db8::1]:4711";proto=https' }, '2001:db8::1'],
    [trusting, { 'x-forwarded-for': 'evil' }, '127.0.0.1'],
    [trusting, {}, '127.0.0.1'],
    [wary, { 'x-forwarded-for': '198.51.100.1', forwarded: 'for=198.51.100.1' }, '127.0.0.1'],
  ] as const) {
    test(`${JSON.stringify(headers)} of ${house === wary ? 'a stranger' : 'a trusted proxy'} over ${protocol}: the log names ${source}, and nothing of it goes up`, async () => {
      const line = house.proxy.nextRequestLine()
      const seen = house.bedrock.next()
      const { status } = await ask(protocol, house.proxy.port, '/model/source/invoke', { headers: { authorization: `Bearer ${TOKEN}`, ...headers }, body: '{}' })
      assert.deepEqual([status, (await line).source], [200, source])
      assert.doesNotMatch(JSON.stringify((await seen).rawHeaders), /forwarded|198\.51|2001:db8/i)
    })
  }
}

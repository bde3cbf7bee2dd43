import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { start } from '../../src/cli/running.ts'
import { readSetup } from '../../src/cli/setup.ts'
import { createLog } from '../../src/log/index.ts'
import { FakeBedrock } from '../kit/bedrock.ts'
import { raw } from '../kit/client.ts'
import { proxyEnv, token } from '../kit/proxy.ts'
import { BEARER, TOKEN } from './kit.ts'

/** What was written of `requests`, sent one after the other, as the log writes it. */
async function writtenOf(requests: readonly string[], format: 'json' | 'text'): Promise<string[]> {
  const bedrock = await FakeBedrock.start()
  after(() => bedrock.close())
  // An answer of AWS can carry anything that a header can.
  bedrock.script = (_seen, response) => void response.writeHead(200, { 'x-amzn-RequestId': 'id"\\\x85\xa0\xff' }).end('{}')
  const env = proxyEnv(bedrock, { SERVER__TIMEOUTS__KEEP_ALIVE: '1ms', SERVER__DRAIN_TIMEOUT: '0s' })
  const read = readSetup({}, { env, cwd: () => '/nowhere' })
  assert.ok('setup' in read)
  const written: string[] = []
  const running = await start(read.setup, env, createLog({ level: 'debug', format, nowMs: Date.now, write: (text) => written.push(text) }))
  after(() => running.stop())
  const { port } = new URL(running.url)
  for (const bytes of requests) await raw(Number(port), Buffer.from(bytes, 'latin1'))
  return written.filter((text) => text.includes(' request ') || text.includes('"msg":"request"'))
}

const request = (target: string, lines = BEARER, method = 'POST') => `${method} ${target} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n${lines}Content-Length: 2\r\n\r\n{}`
const bearing = (claims: Record<string, unknown>) => `Authorization: Bearer ${token(claims)}\r\n`

const HOSTILE = [
  request('/model/a%0a{"msg":"request"}/invoke'),
  request('/model/%1b[2Ja/invoke'),
  request('/model/a%E2%80%A8%E2%80%A9%C2%85b/invoke'),
  request('/model/a"b%22,"status":200/invoke'),
  request(`/model/${'a'.repeat(2000)}/invoke`),
  request('/model/a\x7f/invoke'),
  request(`/nowhere/${'%0a'.repeat(2000)}`),
  request('/model/a/invoke', `${BEARER}User-Agent: x\xff"\\ \x85\r\n`),
  request('/model/a/invoke', bearing({ sub: 'eve\n{"msg":"request","user":"alice"}' })),
  request('/model/a/invoke', bearing({ sub: 'eve\u2028\u001b[2J' })),
  request('/model/a/invoke', bearing({ sub: 'eve"\\' })),
  request('/model/a/invoke', bearing({ sub: 'e'.repeat(20_000) })),
  request('/model/a/invoke', `Authorization: Bearer ${'a'.repeat(40_000)}\r\n`),
  request('/model/a/invoke', `Authorization: Bearer ${TOKEN}\r\nX-Amz-Date: "\\\r\n`, 'QUERY'),
]

for (const format of ['json', 'text'] as const) {
  test(`each request is one ${format} line of a bounded length, whatever its client and AWS put into it`, async () => {
    const written = await writtenOf(HOSTILE, format)
    assert.equal(written.length, HOSTILE.length)
    for (const text of written) {
      assert.match(text, /^[^\x00-\x1f\x7f-\x9f\u2028\u2029]{1,4096}\n$/)
      if (format === 'json') assert.equal((JSON.parse(text) as { msg: string }).msg, 'request')
    }
  })
}

import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { Program } from '../kit/program.ts'
import { proxyEnv, token } from '../kit/proxy.ts'

const UPLOADS = 80
const BODY = Buffer.alloc(25_000_000, 'x')
const BUDGET_MIB = 256

for (const protocol of PROTOCOLS) {
  test(`${UPLOADS} uploads of 25 MB at once over ${protocol} stay within the budget and 150 MB, and each is served or told when to come back`, { timeout: 120_000 }, async () => {
    let served = 0
    const upstream = createServer((incoming, response) => {
      let bytes = 0
      incoming.on('data', (chunk: Buffer) => { bytes += chunk.length }).on('end', () => {
        if (bytes === BODY.length) served++
        response.end('{}')
      })
    }).listen(0, '127.0.0.1')
    await once(upstream, 'listening')
    const { port: upstreamPort } = upstream.address() as AddressInfo
    const program = new Program(['serve'], proxyEnv({ url: `http://127.0.0.1:${upstreamPort}` }, { SERVER__MAX_INFLIGHT: `${BUDGET_MIB}MiB` }))
    const port = await program.port()
    const headers = { authorization: `Bearer ${token()}`, 'content-length': String(BODY.length) }

    const answers = await Promise.all(Array.from({ length: UPLOADS }, () => ask(protocol, port, '/model/x/invoke', { headers, body: BODY })))

    const ok = answers.filter(({ status }) => status === 200).length
    const later = answers.filter(({ status, headers }) => status === 503 && headers['retry-after'] === '1').length
    const peakBytes = Number(/VmHWM:\s+(\d+) kB/.exec(readFileSync(`/proc/${program.child.pid}/status`, 'utf8'))![1]) * 1024
    program.child.kill('SIGKILL')
    upstream.close()
    upstream.closeAllConnections()
    console.log(`${protocol}: served ${ok}, told to come back ${later}, peak ${Math.round(peakBytes / 1e6)} MB`)
    assert.equal(ok, served)
    assert.equal(ok + later, UPLOADS)
    assert.ok(ok >= 10)
    assert.ok(peakBytes <= BUDGET_MIB * 2 ** 20 + 150e6, `peak ${peakBytes}`)
  })
}

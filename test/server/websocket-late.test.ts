import assert from 'node:assert/strict'
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'
import { Duplex } from 'node:stream'
import { describe, test } from 'node:test'
import type { Talk } from '../../src/proxy/index.ts'
import type { Terms } from '../../src/server/terms.ts'
import { WebSocketExchange } from '../../src/server/websocket.ts'
import { echo } from '../kit/conversing.ts'
import { opening, Talker } from '../kit/talker.ts'
import { clientText } from '../kit/websocket.ts'
import { AUTH, bedrock, leave, proxy, talker } from './conversation.ts'

describe('a conversation whose answer is late', () => {
  test('is opened after three seconds, because Bedrock may wait for a first event; a refusal is then its last message', { timeout: 30_000 }, async () => {
    bedrock.converse = async (heard) => {
      const { refusal: [status, type] = [] } = await heard.event(0) as { refusal?: [number, string] }
      if (status === undefined) await echo(heard)
      else if (type !== '') heard.refuse(status, type!, 'no')
      else {
        heard.stream.respond({ ':status': status })
        heard.stream.end('{"message":"no"}')
      }
    }
    const good = async () => {
      const client = talker()
      assert.equal(await client.status(), 101)
      client.say({ first: true })
      assert.deepEqual(await client.heard(0), { first: true })
      await leave(client)
    }
    const bad = async (status: number, type: string, code: number) => {
      const client = talker()
      assert.equal(await client.status(), 101)
      client.say({ refusal: [status, type] })
      assert.deepEqual(await client.heard(0), { error: { type: type.replace(/^./, (letter) => letter.toLowerCase()), message: 'no' } })
      assert.deepEqual(await client.closed(), [code, ''])
      await client.over
    }
    const nameless = async () => {
      const client = talker()
      await client.status()
      client.say({ refusal: [502, ''] })
      assert.deepEqual(await client.heard(0), { error: { type: 'unknown', message: 'no' } })
      await client.over
    }
    await Promise.all([good(), nameless(), bad(400, 'ValidationException', 1008), bad(429, 'ThrottlingException', 1013), bad(408, 'ModelTimeoutException', 4408), bad(500, 'InternalServerException', 1011)])
  })

  test('what is said before the answer to the handshake is kept, to a bound, and nothing of it is lost', async () => {
    bedrock.converse = async (heard) => {
      await new Promise((resolve) => setTimeout(resolve, 300))
      await echo(heard)
    }
    const said = Array.from({ length: 300 }, (_, at) => clientText(JSON.stringify({ at, text: 'x'.repeat(1000) })))
    const client = new Talker(proxy.port, Buffer.concat([Buffer.from(opening([AUTH])), ...said]))
    for (let at = 0; at < 300; at++) assert.deepEqual(await client.heard(at), { at, text: 'x'.repeat(1000) })
    await leave(client)
  })

  test('that opens while nobody may be read, between two sessions of AWS, is not read before it may be', async () => {
    const socket = Object.assign(new Duplex({ read: () => undefined, write: (_chunk, _encoding, done) => done() }), { setNoDelay: () => undefined })
    const request = { method: 'GET', url: '/', rawHeaders: [], socket } as unknown as IncomingMessage
    const exchange = new WebSocketExchange(request, socket as unknown as Socket, Buffer.alloc(0), { key: 'x', protocols: [] }, 'id', { trustedProxies: [], pingMs: 60_000 } as unknown as Terms)
    exchange.join({} as Talk)
    exchange.pause()
    exchange.accepted()
    assert.equal(socket.isPaused(), true)
    exchange.resume()
    assert.equal(socket.isPaused(), false)
    exchange.break()
  })
})

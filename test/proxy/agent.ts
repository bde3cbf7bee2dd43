import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { after } from 'node:test'
import { ACCESS_KEY_ID, SECRET_ACCESS_KEY } from '../kit/bedrock.ts'
import { secret } from '../kit/leaks.ts'

/** A container's agent that hands out keys for six minutes first, then for a day. */
export async function agent(): Promise<{ readonly url: string; asked: number }> {
  const told = { url: '', asked: 0 }
  const server = createServer((_request, response) => {
    const minutes = told.asked++ === 0 ? 6 : 1440
    response.end(JSON.stringify({
      AccessKeyId: ACCESS_KEY_ID, SecretAccessKey: SECRET_ACCESS_KEY, Token: secret('a session token', `token-number-${told.asked}`), Expiration: new Date(Date.now() + minutes * 60_000).toISOString(),
    }))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  after(() => server.close())
  told.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/`
  return told
}

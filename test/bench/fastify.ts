// The peer a good Node developer would write in an afternoon: Fastify, jose, aws4 and undici, each used as its manual says.
// @ts-expect-error: it comes without types
import aws4 from 'aws4'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { jwtVerify } from 'jose'
import { Pool } from 'undici'

const { PORT, UPSTREAM_PORT, SECRET, AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY } = process.env
const host = `127.0.0.1:${UPSTREAM_PORT}`
const key = await crypto.subtle.importKey('raw', Buffer.from(SECRET ?? ''), { name: 'HMAC', hash: 'SHA-256' }, false, ['verify'])
const credentials = { accessKeyId: AWS_ACCESS_KEY_ID, secretAccessKey: AWS_SECRET_ACCESS_KEY }
const pool = new Pool(`http://${host}`)
const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding'])

const app = Fastify({ bodyLimit: 25_000_000, keepAliveTimeout: 300_000, routerOptions: { maxParamLength: 2048 } })
app.removeAllContentTypeParsers()
app.addContentTypeParser('*', { parseAs: 'buffer' }, (_request, body, done) => done(null, body))
app.addHook('onRequest', authenticate)
app.post('/model/:modelId/invoke', forward)
app.post('/model/:modelId/invoke-with-response-stream', forward)
await app.listen({ port: Number(PORT), host: '127.0.0.1' })

async function authenticate(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  try {
    const token = /^Bearer (.+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? ''
    await jwtVerify(token, key, { algorithms: ['HS256'], requiredClaims: ['sub', 'exp'] })
  } catch {
    return reply.code(401).send({ message: 'invalid token' })
  }
}

async function forward(request: FastifyRequest, reply: FastifyReply): Promise<unknown> {
  const body = request.body as Buffer
  const path = request.raw.url ?? '/'
  const headers = { 'content-type': request.headers['content-type'], accept: request.headers.accept ?? '*/*' }
  const signed = aws4.sign({ service: 'bedrock', region: 'us-east-1', method: 'POST', host, path, headers, body }, credentials)
  const answer = await pool.request({ method: 'POST', path, headers: signed.headers, body })
  reply.code(answer.statusCode)
  for (const [name, value] of Object.entries(answer.headers)) if (!hopByHop.has(name)) reply.header(name, value)
  return reply.send(answer.body)
}

import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SigV4Error, verifyRequest } from '../../src/sigv4/index.ts'
import { ACCESS_KEY_ID, REGION, SECRET_ACCESS_KEY } from './bedrock.ts'
import { secret } from './leaks.ts'

/** Keys that were given out, and what for. */
export interface Issued {
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly sessionToken: string
  readonly form: URLSearchParams
}

/** An STS for tests: verifies signatures by code that is not the signer's, and gives out keys for AssumeRole. */
export class FakeSts {
  readonly issued: Issued[] = []
  /** The form of every request that was signed well, in order. */
  readonly forms: URLSearchParams[] = []
  /** An error code in place of keys. */
  refuse: (form: URLSearchParams) => string | undefined = () => undefined
  readonly #server: Server

  private constructor() {
    this.#server = createServer((request, response) => void this.#take(request, response))
  }

  static async start(): Promise<FakeSts> {
    const sts = new FakeSts()
    sts.#server.listen(0, '127.0.0.1')
    await once(sts.#server, 'listening')
    return sts
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections()
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** The keys of an access key id, for a Bedrock that verifies with them. */
  readonly keysOf = (accessKeyId: string): Issued | undefined => this.issued.find((one) => one.accessKeyId === accessKeyId)

  async #take(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk as Buffer)
    const body = Buffer.concat(chunks)
    const form = new URLSearchParams(body.toString())
    const fault = faultOf(request, body)
    if (fault === undefined) this.forms.push(form)
    const code = fault ?? this.refuse(form)
    if (code !== undefined) return void response.writeHead(code === 'Throttling' ? 400 : 403).end(`<ErrorResponse><Error><Type>Sender</Type><Code>${code}</Code><Message>no</Message></Error></ErrorResponse>`)
    response.writeHead(200, { 'content-type': 'text/xml' }).end(form.get('Action') === 'GetCallerIdentity' ? IDENTITY : this.#give(form))
  }

  #give(form: URLSearchParams): string {
    const n = this.issued.length + 1
    const one: Issued = { accessKeyId: `ASIA${n}`, secretAccessKey: secret(`secret key ${n} of STS`, `sts-secret-${n}-of-the-kit`), sessionToken: `token-${n}`, form }
    this.issued.push(one)
    const expiration = new Date(Date.now() + Number(form.get('DurationSeconds')) * 1000).toISOString()
    return `<AssumeRoleResponse><AssumeRoleResult><Credentials><AccessKeyId>${one.accessKeyId}</AccessKeyId><SecretAccessKey>${one.secretAccessKey}</SecretAccessKey><SessionToken>${one.sessionToken}</SessionToken><Expiration>${expiration}</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`
  }
}

const IDENTITY = '<GetCallerIdentityResponse><GetCallerIdentityResult><Arn>arn:aws:iam::111122223333:user/proxy</Arn><UserId>AIDA</UserId><Account>111122223333</Account></GetCallerIdentityResult></GetCallerIdentityResponse>'

function faultOf({ method, url, rawHeaders }: IncomingMessage, body: Buffer): string | undefined {
  const headers = rawHeaders.flatMap((name, i) => (i % 2 === 0 ? [[name, rawHeaders[i + 1]!] as const] : []))
  try {
    verifyRequest({ method: method!, target: url!, headers, payloadHash: createHash('sha256').update(body).digest('hex') }, (id) => (id === ACCESS_KEY_ID ? SECRET_ACCESS_KEY : undefined), { nowMs: Date.now(), maxSkewMs: 300_000, region: REGION, service: 'sts' })
    return undefined
  } catch (error) {
    if (error instanceof SigV4Error) return 'SignatureDoesNotMatch'
    throw error
  }
}

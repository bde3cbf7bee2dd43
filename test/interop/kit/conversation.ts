import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import type { Client, Digest, Said } from './client.ts'
import type { Program } from './program.ts'
import type { Script } from './standin.ts'
import { TOKENS } from './token.ts'
import { bedrock, certificate, program, type SetupName } from './world.ts'

/** What is asked, how, and what AWS answers; everything but the name has a usual value. */
export interface Topic {
  readonly name: string
  readonly asks?: 'whole' | 'stream'
  readonly setup?: SetupName
  readonly token?: keyof typeof TOKENS
  readonly prefix?: string
  readonly model?: string
  readonly prompt?: string
  readonly tool?: boolean
  readonly aws?: Script
  /** Called with each event of a stream. */
  readonly heard?: (program: Program) => void
}

/** One request as the client's transport saw it. */
export interface Attempt extends Digest {
  status?: number
  headers?: Readonly<Record<string, string>>
}

/** What came of a question: either `said` or `error`. */
export interface Outcome {
  readonly model: string
  readonly attempts: readonly Attempt[]
  readonly said?: Said
  readonly error?: unknown
}

/** How many requests about each model must be in the logs of the programs. */
export const askedAbout = new Map<string, number>()

/** Lets a client ask the program about a model that nobody else asks for. */
export async function converse(client: Client, topic: Topic): Promise<Outcome> {
  const { asks = 'whole', setup = 'usual', token = 'good', prefix = '', prompt = 'Hello?', tool = false, aws, heard = () => undefined } = topic
  const model = topic.model ?? `interop.${slug(client.name)}.${slug(topic.name)}-v1:0`
  if (aws !== undefined) bedrock.script(model, aws)
  const running = await program(setup, client.secure)
  const onEvent = () => {
    bedrock.noteHeard(model)
    heard(running)
  }
  const attempts: Attempt[] = []
  const tap = {
    sent(body: Uint8Array | string | Digest = '') {
      attempts.push({ ...(typeof body === 'object' && 'sha256' in body ? body : digest(body)) })
    },
    answered(status: number, headers: Readonly<Record<string, string>>) {
      Object.assign(attempts.at(-1)!, { status, headers })
      // True of every answer, whatever it says.
      assert.ok(headers['x-amzn-requestid'], 'an answer without x-amzn-requestid')
      assert.equal(headers['request-id'], headers['x-amzn-requestid'])
      assert.equal(headers['set-cookie'], undefined)
    },
  }
  const ask = { url: running.url + prefix, ca: client.secure ? certificate().pem : undefined, token: TOKENS[token], model, prompt, tool, tap }
  try {
    const said = asks === 'whole' ? await client.say(ask) : await client.stream!(ask, onEvent)
    return { model, attempts, said }
  } catch (error) {
    if (error instanceof assert.AssertionError) throw error
    return { model, attempts, error }
  } finally {
    // Where the path is not understood, or does not name the model, nor can the log.
    if (topic.model === undefined && prefix === '' && client.modelInBody !== true) askedAbout.set(model, attempts.length)
  }
}

const slug = (text: string): string => text.toLowerCase().replace(/[^a-z0-9]+/g, '-')

function digest(body: Uint8Array | string): Digest {
  const bytes = Buffer.from(body)
  return { bytes: bytes.length, sha256: createHash('sha256').update(bytes).digest('hex') }
}

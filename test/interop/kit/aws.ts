import type { Ask, Shown, Tap } from './client.ts'
import { REGION } from './signature.ts'

/** The settings that any client of the AWS SDK needs to talk to the proxy. Who has no token may well have AWS keys. */
export function awsConfig({ url, token }: Pick<Ask, 'url' | 'token'>): object {
  const identity = token === undefined ? { credentials: { accessKeyId: 'AKIDOFTHEUSER', secretAccessKey: 'of the user' } } : { token: { token }, authSchemePreference: ['httpBearerAuth'] }
  return { region: REGION, endpoint: url, ...identity }
}

interface Stack {
  readonly middlewareStack: {
    add(middleware: (next: (args: never) => Promise<unknown>) => (args: { request: unknown }) => Promise<unknown>, options: { step: 'deserialize'; priority: 'low' }): void
  }
}

/** Listens between the SDK and its transport: inside of its retries, outside of nothing. */
export function listen<Client>(client: Client, tap: Tap): Client {
  const stack = (client as Stack).middlewareStack
  stack.add((next) => async (args) => {
    tap.sent((args.request as { body?: Uint8Array | string }).body)
    const answer = await next(args as never) as { response: { statusCode: number; headers: Record<string, string> } }
    tap.answered(answer.response.statusCode, answer.response.headers)
    return answer
  }, { step: 'deserialize', priority: 'low' })
  return client
}

export function awsShow(error: unknown): Shown {
  const { name, message } = error as Error
  return { error: name, message }
}

import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { JsonError, parseJson } from '../json/index.ts'

/** The OpenID provider of the demo, in a process of its own. */
export interface Provider {
  readonly issuer: string
  readonly clientId: string
  /** Resolves when it has ended. */
  stop(): Promise<unknown>
}

/** Why there is none, in words for people. */
export class ProviderError extends Error {
  override readonly name = 'ProviderError'
}

/** Beside the sources, with the packages that only tests need: the program itself has none. */
const FOLDER = join('test', 'interop')

/**
 * Starts it, as this very process was started.
 *
 * @param entry - The file that this process runs.
 * @throws ProviderError - where it is not there, or does not start.
 */
export async function startProvider(entry: string): Promise<Provider> {
  const folder = join(dirname(dirname(entry)), FOLDER)
  if (!entry.endsWith('.ts') || !existsSync(folder)) throw new ProviderError('demo --sso is for a checkout of the sources: the OpenID provider that it starts is in none of the binaries')
  if (!existsSync(join(folder, 'node_modules', 'oidc-provider'))) throw new ProviderError(`the OpenID provider of the demo is not installed: npm ci --ignore-scripts --prefix ${folder}`)
  const child = spawn(process.execPath, [...process.execArgv, join(folder, 'provider.ts')], { env: {}, stdio: ['pipe', 'pipe', 'pipe'] })
  let said = ''
  child.stderr.on('data', (chunk: Buffer) => { said += chunk.toString() })
  const closed = new Promise((resolve) => { child.once('close', resolve) })
  const line = await new Promise<string>((resolve, reject) => {
    child.once('error', reject).once('close', () => reject(new ProviderError(`the OpenID provider of the demo does not start:\n${said}`)))
    child.stdout.once('data', (chunk: Buffer) => resolve(chunk.toString()))
  })
  const stop = () => {
    // With its standard input it ends, and so with this process, whatever becomes of that.
    child.stdin.end()
    return closed
  }
  try {
    return { ...spoken(line), stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Its first line. */
function spoken(line: string): Omit<Provider, 'stop'> {
  try {
    const { issuer, client_id: clientId } = parseJson(line) as { readonly issuer: string; readonly client_id: string }
    return { issuer, clientId }
  } catch (error) {
    if (!(error instanceof JsonError)) throw error
    throw new ProviderError(`the OpenID provider of the demo does not say where it is:\n${line}`)
  }
}

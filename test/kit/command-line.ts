import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { dialsIn, tracer } from './traced.ts'
import { allowedTo, judgeRecord, record, Watch } from './watch.ts'

export const ROOT = join(import.meta.dirname, '..', '..')
// Node 20 does not strip types by itself.
const NODE_ARGS = process.features.typescript === undefined || process.features.typescript === false ? ['--import', 'tsx'] : []
const RECORDER = pathToFileURL(join(import.meta.dirname, 'dial-recorder.ts')).href

/**
 * How the program is started, in `ROOT`: from its source, or the binary that is named, which runs no code but its own. What it connects
 * to is written down, and judged when it is over, and when all tests of the file are.
 */
export function commandLine(args: readonly string[], env: Readonly<Record<string, string | undefined>>): { readonly command: readonly [string, ...string[]]; readonly over: () => void } {
  const watch = new Watch(`the program (${args.join(' ')})`, allowedTo(args, env, ROOT))
  const { BEDROCK_SSO_PROXY_BINARY: binary, BEDROCK_SSO_PROXY_TRACED: isTraced } = process.env
  if (binary !== undefined && isTraced === undefined) return { command: [binary, ...args], over: () => undefined }
  const file = record(watch, binary === undefined ? undefined : dialsIn)
  const [program, ...before] = binary === undefined ? [process.execPath, ...NODE_ARGS, '--import', `${RECORDER}?${encodeURIComponent(file)}`, 'bin/bedrock-sso-proxy.ts'] : [...tracer(file), binary]
  return { command: [program!, ...before, ...args], over: () => judgeRecord(file) }
}

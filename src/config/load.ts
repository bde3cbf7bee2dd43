import { crossCheck, crossHints } from './checks.ts'
import { readEnvironment } from './environment.ts'
import type { Environment } from './environment.ts'
import { readFile } from './file.ts'
import { nodeFiles } from './files.ts'
import type { Files } from './files.ts'
import type { Problem } from './problem.ts'
import { effectiveOption } from './print.ts'
import type { EffectiveOption } from './print.ts'
import { OPTIONS, SPELLINGS } from './schema.ts'
import type { Config, OptionName, Sources } from './schema.ts'
import { take } from './take.ts'
import type { Taken } from './take.ts'

export interface LoadInput {
  /** What the command line says. */
  readonly args: { readonly config?: string | undefined }
  readonly env: Environment
  readonly cwd: string
  readonly files?: Files
  /** What the AWS SDKs would take for an option. Asked where neither the environment nor the file give it. */
  readonly sdk?: (option: OptionName, said: (option: OptionName) => unknown) => { readonly value: string; readonly where: string } | undefined
}

export type Loaded = {
  /** Where the value of each option comes from. */
  readonly sources: Sources
  /** What works but should not stay: secrets that others can read, a sign-in whose tokens are refused. */
  readonly hints: readonly Problem[]
} & (
  | {
      readonly config: Config
      readonly problems: readonly []
      /** Every option with its effective value and where that comes from, in the order of the schema; after a table its cells. */
      readonly options: readonly EffectiveOption[]
    }
  | { readonly config: undefined; readonly problems: readonly Problem[] }
)

/**
 * The configuration: defaults, over them the file (`--config`, `$BEDROCK_SSO_PROXY_CONFIG`, `./config.*`,
 * `/etc/bedrock-sso-proxy/config.*`), over it the environment. All problems at once; with any there is no config.
 * It keeps nothing between calls, so a reload that fails leaves the old config as it was. What it returns is frozen.
 *
 *     const { config, problems } = loadConfig({ args: {}, env: process.env, cwd: process.cwd() })
 *     if (config === undefined) return problems.map(formatProblem)
 *
 * Never throws for anything that the file, the environment or the disk hold.
 */
export function loadConfig({ args, env, cwd, files = nodeFiles, sdk = () => undefined }: LoadInput): Loaded {
  const file = readFile(args.config, env, cwd, files)
  const environment = readEnvironment(env, cwd)
  const said = new Map([...OPTIONS].map(([name, option]) => [name, take(name, option, [environment.given.get(name), file.given.get(name)], files)]))
  const taken = [...said].map(([name, one]) => {
    const beneath = one.place.layer === 'default' ? sdk(name as OptionName, (option) => said.get(option)!.value) : undefined
    return beneath === undefined ? one : takeBeneath(name, beneath, files)
  })
  const failed = new Set(taken.filter(({ problems }) => problems.length > 0).map(({ name }) => name))
  const all = taken.flatMap(withParts)
  const sources = Object.fromEntries(all.map(({ name, place }) => [name, place])) as Sources
  const config = nest(taken)
  const problems = [
    ...file.problems,
    ...environment.problems,
    ...taken.flatMap((one) => one.problems),
    // What an unread file wanted is not known, so nothing can be said to be missing.
    ...(file.whole ? crossCheck(config, sources, failed, file.path) : []),
  ]
  const hints = [...taken.flatMap((one) => one.hints), ...(problems.length === 0 ? crossHints(config, sources, file.path) : [])]
  return deepFreeze(problems.length === 0 ? { config, sources, hints, options: all.flatMap(({ name, option, value, place }) => (option === undefined ? [] : effectiveOption(name, option, value, place))), problems: [] } : { config: undefined, sources, hints, problems })
}

/** As if a layer below the file had given it. */
function takeBeneath(name: string, { value: raw, where }: { readonly value: string; readonly where: string }, files: Files): Taken {
  const spelling = SPELLINGS.find(({ option }) => option === name)!
  return take(name, OPTIONS.get(name)!, [{ spelling, place: { layer: 'sdk', where }, raw, folder: '', lineOf: () => undefined }], files)
}

function withParts(taken: Taken): readonly Taken[] {
  return [taken, ...taken.parts.flatMap(withParts)]
}

/** `server.port` becomes `config.server.port`. The names are ours, from the schema, never a stranger's. */
function nest(taken: readonly Taken[]): Config {
  const branch = (prefix: string): unknown => {
    const below = taken.filter(({ name }) => name.startsWith(prefix))
    const heads = new Set(below.map(({ name }) => name.slice(prefix.length).split('.')[0]!))
    return Object.fromEntries([...heads].map((head) => {
      const leaf = below.find(({ name }) => name === prefix + head)
      return [head, leaf === undefined ? branch(`${prefix}${head}.`) : leaf.value]
    }))
  }
  return branch('') as Config
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value)) return value
  Object.freeze(value)
  for (const below of value instanceof Map ? value.values() : Object.values(value)) deepFreeze(below)
  return value
}

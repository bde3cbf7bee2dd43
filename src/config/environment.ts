import { layer } from './layer.ts'
import type { Layer } from './layer.ts'
import { suggest } from './problem.ts'
import { OPTIONS, SPELLINGS } from './schema.ts'
import type { Spelling } from './schema.ts'

export type Environment = Readonly<Record<string, string | undefined>>

const isTable = ({ option }: Spelling) => OPTIONS.get(option)!.kind.table !== undefined
const SCALARS = SPELLINGS.filter((spelling) => !isTable(spelling))
const TABLES = SPELLINGS.filter(isTable)
const VARIABLES = new Set(SCALARS.map(({ variable }) => variable))
const SECTIONS = new Set([...OPTIONS.keys()].map((option) => option.split('.')[0]!.toUpperCase()))

/**
 * The options that variables give: `SERVER__PORT` is `server.port`. An empty variable counts as not set, as compose
 * files and CI leave them. One that begins like ours, in any case of letters, but is none of ours is a problem.
 */
export function readEnvironment(env: Environment, cwd: string): Layer {
  const given = SCALARS.filter(({ variable }) => env[variable]).map((spelling) => ({
    spelling,
    place: { layer: 'environment' as const, where: spelling.variable },
    raw: env[spelling.variable],
    folder: cwd,
    lineOf: () => undefined,
  }))
  const strange = Object.keys(env).filter((name) => env[name] && looksLikeOurs(name) && !VARIABLES.has(name))
  return layer(given, strange.map((where) => ({ where, expected: tableOf(where) ?? `the variable of an option${suggest(where, VARIABLES)}` })))
}

function tableOf(name: string): string | undefined {
  const table = TABLES.find(({ variable }) => `${name.toUpperCase()}__`.startsWith(`${variable}__`))
  return table && `${table.key} in the configuration file: a table has no variable`
}

function looksLikeOurs(name: string): boolean {
  const [section, ...rest] = name.toUpperCase().split('__')
  return rest.length > 0 && SECTIONS.has(section!)
}

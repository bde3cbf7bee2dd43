import { documented, spellingsOf } from './schema.ts'
import type { Option } from './schema.ts'

/** The options and columns as a Markdown table, for the README: one row each, in the order of the schema. Ends with a newline. */
export function optionsTable(options = documented()): string {
  const head = ['Option', 'Variable', 'Kind', 'Default', 'What it is', 'When it is wrong']
  return [head, head.map(() => '---'), ...options.map(([name, option]) => row(name, option))]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('')
}

function row(name: string, option: Option): readonly string[] {
  const ways = spellingsOf(name, option)
  // Tables stand in the file only.
  const variables = option.kind.table !== undefined || /[\]>]/.test(name) ? [] : ways.map(({ variable }) => code(variable))
  return [
    [...new Set(ways.map(({ key }) => key))].map(code).join(', '),
    variables.join(', ') || 'none',
    option.kind.name,
    option.default ? code(option.default) : option.required ? 'required' : 'none',
    option.text,
    option.wrong,
  ]
}

const code = (text: string) => `\`${text}\``

import { OPTIONS, SPELLINGS } from './schema.ts'
import type { Option } from './schema.ts'

/** The options as a Markdown table, for the README: one row each, in the order of the schema. Ends with a newline. */
export function optionsTable(): string {
  const head = ['Option', 'Variable', 'Kind', 'Default', 'What it is', 'When it is wrong']
  return [head, head.map(() => '---'), ...[...OPTIONS].map(([name, option]) => row(name, option))]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('')
}

function row(name: string, option: Option): readonly string[] {
  const ways = SPELLINGS.filter((spelling) => spelling.option === name)
  return [
    [...new Set(ways.map(({ key }) => key))].map(code).join(', '),
    ways.map(({ variable }) => code(variable)).join(', '),
    option.kind.name,
    option.default ? code(option.default) : 'none',
    option.text,
    option.wrong,
  ]
}

const code = (text: string) => `\`${text}\``

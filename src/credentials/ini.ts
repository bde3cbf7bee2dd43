import { CredentialsError } from './source.ts'

/** The shared `config` file has sections of several types, `[profile x]`; the `credentials` file has profiles only, `[x]`. */
export type IniKind = 'config' | 'credentials'

/** Settings by name, in lower case. The value of a nested setting is its lines, each after a line feed. */
export type Section = ReadonlyMap<string, string>

/**
 * The sections of one of the shared files, by type and name: `profile default`, `sso-session x`, `services y`.
 *
 * The rules are those of the SDKs' common suite: a name out of the alphabet hides its section or setting, a line that is
 * neither section, setting, continuation nor comment is an error. The last of two equal settings counts.
 *
 *     parseIni('[default]\nregion = eu-west-1', 'config')  // Map { 'profile default' => Map { 'region' => 'eu-west-1' } }
 *
 * @throws CredentialsError - `CREDENTIALS_INVALID`, with the line, for a malformed line.
 */
export function parseIni(text: string, kind: IniKind): Map<string, Section> {
  const reader = new Reader(kind)
  text.split(/\r?\n/).forEach((line, at) => reader.take(line, at + 1))
  return reader.finish()
}

const NAME = /^[A-Za-z0-9_\-/.%@:+]+$/
const BLANK_OR_COMMENT = /^(?:[#;]|[ \t]*$)/

class Reader {
  readonly #kind: IniKind
  readonly #sections = new Map<string, Map<string, string>>()
  #section: Map<string, string> | undefined
  /** The setting that indented lines continue. */
  #setting: { readonly name: string; readonly nested: boolean; readonly section: Map<string, string> } | undefined

  constructor(kind: IniKind) {
    this.#kind = kind
  }

  take(line: string, at: number): void {
    if (BLANK_OR_COMMENT.test(line)) return
    const fault = line.startsWith('[') ? this.#open(line) : /^[ \t]/.test(line) ? this.#continue(line.trim()) : this.#set(line)
    if (fault !== undefined) throw new CredentialsError('CREDENTIALS_INVALID', `line ${at} of the shared ${this.#kind} file: ${fault}`)
  }

  finish(): Map<string, Section> {
    // Botocore writes both spellings; the longer one replaces the other whole, wherever it stands.
    const plain = this.#sections.get('default')
    this.#sections.delete('default')
    if (plain !== undefined && !this.#sections.has('profile default')) this.#sections.set('profile default', plain)
    return this.#sections
  }

  #open(line: string): string | undefined {
    const head = line.split(/[#;]/, 1)[0]!.trim()
    if (!head.endsWith(']')) return 'a section does not end with "]"'
    const key = this.#keyOf(head.slice(1, -1).trim().split(/[ \t]+/))
    this.#section = (key === undefined ? undefined : this.#sections.get(key)) ?? new Map()
    this.#setting = undefined
    if (key !== undefined) this.#sections.set(key, this.#section)
    return undefined
  }

  #keyOf([first, second, ...more]: string[]): string | undefined {
    const name = second ?? first!
    if (more.length > 0 || !NAME.test(name)) return undefined
    if (this.#kind === 'credentials') return second === undefined ? `profile ${name}` : undefined
    return second !== undefined ? `${first} ${name}` : name === 'default' ? name : undefined
  }

  #set(line: string): string | undefined {
    if (this.#section === undefined) return 'a setting stands before the first section'
    // A comment begins after a blank; without one it belongs to the value.
    const { name, value, fault } = setting(line.split(/[ \t][#;]/, 1)[0]!)
    if (fault !== undefined) return fault
    this.#setting = { name, nested: value === '', section: NAME.test(name) ? this.#section : new Map() }
    this.#setting.section.set(name, value)
    return undefined
  }

  #continue(line: string): string | undefined {
    if (this.#setting === undefined) return 'an indented line continues no setting'
    const { name, nested, section } = this.#setting
    section.set(name, `${section.get(name)}\n${line}`)
    return nested ? setting(line).fault : undefined
  }
}

function setting(line: string) {
  const equals = line.indexOf('=')
  const name = line.slice(0, Math.max(equals, 0)).trim().toLowerCase()
  const fault = equals < 0 ? 'a setting has no "="' : name === '' ? 'a setting has no name' : undefined
  return { name, value: line.slice(equals + 1).trim(), fault }
}

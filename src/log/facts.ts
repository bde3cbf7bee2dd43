/** What lines say, name by name; anything but these simple values stays out of logs. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

/** What several logs say of one thing: the text of it is made once. */
export class Facts<F extends LogFields = LogFields> {
  readonly fields: F
  #text: string | undefined

  constructor(fields: F) {
    this.fields = fields
  }

  /** As members of a JSON object, without its braces. */
  get text(): string {
    return this.#text ??= membersOf(this.fields)
  }
}

/** The members of an object as JSON, without its braces and fit for one line: none of them longer than a line should bear. */
export function membersOf(fields: object): string {
  return oneLine(JSON.stringify(bounded(fields)).slice(1, -1))
}

/** JSON escapes what ends a line in a file; these end lines, or steer terminals, for some who read it (ANSI's C1 controls, Unicode line ends). */
export function oneLine(text: string): string {
  // Most lines are plain ASCII: to see that costs far less than to look at each character.
  if (Buffer.byteLength(text) === text.length && !text.includes('\x7f')) return text
  return text.replace(/[\x7f-\x9f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

// A stranger chooses names, paths and ids; the longest that means anything is the ARN of a model.
const MAX_TEXT = 1024
const MAX_ITEM = 256
const MAX_ITEMS = 64

/** The fields as they may stand in a line. */
export function bounded<F extends object>(fields: F): F {
  let short = fields
  for (const name in fields) {
    const value: unknown = fields[name]
    if (typeof value === 'string' && value.length > MAX_TEXT) short = { ...short, [name]: cut(value, MAX_TEXT) }
    else if (Array.isArray(value) && (value.length > MAX_ITEMS || value.some((item) => String(item).length > MAX_ITEM))) {
      short = { ...short, [name]: value.slice(0, MAX_ITEMS).map((item) => cut(String(item), MAX_ITEM)) }
    }
  }
  return short
}

const cut = (text: string, max: number): string => (text.length > max ? `${text.slice(0, max)}…` : text)

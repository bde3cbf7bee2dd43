import type { Scanner } from './scanner.ts'

export type DateTimeKind = 'offset-date-time' | 'local-date-time' | 'local-date' | 'local-time'

/** JavaScript has no type for all four kinds; `text` stands as in the document, after RFC 3339. */
export class TomlDateTime {
  readonly kind: DateTimeKind
  readonly text: string

  constructor(kind: DateTimeKind, text: string) {
    this.kind = kind
    this.text = text
  }
}

/** One word, or two where a space parts a date from its time. */
const WORD = /[\w+.:-]+(?: \d\d:[\w+.:-]+)?/y

const NAMED = new Map<string, boolean | number>([
  ['true', true], ['false', false],
  ['inf', Infinity], ['+inf', Infinity], ['-inf', -Infinity], ['nan', NaN], ['+nan', NaN], ['-nan', NaN],
])

/** boolean / date-time / float / integer: every value that wears no quotes or brackets. */
export function scalar(s: Scanner): boolean | number | bigint | TomlDateTime {
  const word = s.look(WORD) ?? s.fail('TOML_SYNTAX', 'expected a value')
  const value = NAMED.get(word) ?? decimal(s, word) ?? prefixed(s, word) ?? dateTime(s, word)
    ?? s.fail('TOML_VALUE', 'expected a boolean, number, date, time or quoted string')
  s.skip(word)
  return value
}

/** float / dec-int. Infinity has a word of its own: a number too large is a mistake. */
function decimal(s: Scanner, word: string): number | bigint | undefined {
  const digits = word.replace(/(?<=\d)_(?=\d)/g, '')
  const number = /^[+-]?(?:0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.exec(digits)
  if (number === null) return undefined
  if (!(number[1] ?? number[2])) return integer(s, digits)
  return Number.isFinite(Number(digits)) ? Number(digits) : s.fail('TOML_RANGE', 'a float is too large')
}

const DIGITS = new Map([['0x', /^[\dA-Fa-f]+$/], ['0o', /^[0-7]+$/], ['0b', /^[01]+$/]])

/** hex-int / oct-int / bin-int */
function prefixed(s: Scanner, word: string): number | bigint | undefined {
  const digits = DIGITS.get(word.slice(0, 2))
  const runs = word.slice(2).split('_')
  return digits && runs.every((run) => digits.test(run)) ? integer(s, word.replaceAll('_', '')) : undefined
}

/** TOML asks for 64 bits; what a number cannot hold exactly becomes a bigint. */
function integer(s: Scanner, digits: string): number | bigint {
  const rounded = Number(digits)
  // On very many digits BigInt() takes more than linear time, in the end throws an error of its own; Number() does neither.
  const exact = Math.abs(rounded) <= 2 ** 63 ? BigInt(digits) : undefined
  if (exact === undefined || exact !== BigInt.asIntN(64, exact)) return s.fail('TOML_RANGE', 'an integer does not fit in 64 bits')
  return Number.isSafeInteger(rounded) ? Number(exact) : exact
}

const DATE = String.raw`(?<year>\d{4})-(?<month>\d\d)-(?<day>\d\d)`
const TIME = String.raw`(?<hour>\d\d):(?<minute>\d\d):(?<second>\d\d)(?:\.\d+)?`
const OFFSET = String.raw`(?:[Zz]|[+-](?<offsetHour>\d\d):(?<offsetMinute>\d\d))`

const DATE_TIMES: readonly (readonly [DateTimeKind, RegExp])[] = [
  ['offset-date-time', new RegExp(`^${DATE}[Tt ]${TIME}${OFFSET}$`)],
  ['local-date-time', new RegExp(`^${DATE}[Tt ]${TIME}$`)],
  ['local-date', new RegExp(`^${DATE}$`)],
  ['local-time', new RegExp(`^${TIME}$`)],
]

function dateTime(s: Scanner, word: string): TomlDateTime | undefined {
  for (const [kind, pattern] of DATE_TIMES) {
    const fields = pattern.exec(word)?.groups
    if (fields && !exists(fields)) return s.fail('TOML_RANGE', 'a date or time does not exist')
    if (fields) return new TomlDateTime(kind, word)
  }
  return undefined
}

/** RFC 3339 5.7. Second 60 may stand on any day: leap seconds are announced, not computed. */
function exists(fields: Readonly<Record<string, string | undefined>>): boolean {
  const { year = '0', month = '1', day = '1', hour = '0', minute = '0', second = '0', offsetHour = '0', offsetMinute = '0' } = fields
  return +month >= 1 && +month <= 12 && +day >= 1 && +day <= daysIn(+year, +month)
    && +hour <= 23 && +minute <= 59 && +second <= 60 && +offsetHour <= 23 && +offsetMinute <= 59
}

/** The calendar repeats every 400 years; without them Date.UTC takes the years 0 to 99 for 1900 to 1999. */
const daysIn = (year: number, month: number): number => new Date(Date.UTC(year + 400, month, 0)).getUTCDate()

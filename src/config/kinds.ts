import { resolve } from 'node:path'
import { parseTemplate } from '../asker/index.ts'
import { parseNetwork } from '../http/index.ts'
import { Secret } from '../secret/index.ts'
import type { Table } from './rows.ts'

/** What an option may hold, and how it is read. `undefined` from a reader: not of this kind. */
export interface Kind<T> {
  /** Its word in the option table. */
  readonly name: string
  /** Completes the sentence "expected …". */
  readonly expected: string
  /** Reads the text of a variable or a default. `folder` is what a relative path starts from. */
  readonly fromText: (text: string, folder: string) => T | undefined
  /** Reads a value of the configuration file. */
  readonly fromValue: (value: unknown, folder: string) => T | undefined
  /** May also be given as `<option>_file`, the name of a file that holds it. */
  readonly held?: boolean
  /** A refused value is not repeated in the problem: it may hold a secret. */
  readonly discreet?: boolean
  readonly secret?: boolean
  /** It holds others, and is read cell by cell. */
  readonly table?: Table
}

// Node's timers take 32 bits of milliseconds and fire at once beyond them.
const LONGEST_TIMER = '596h'

const COUNT = new Map([['', 1]])
const DURATION = new Map([['ms', 1], ['s', 1000], ['m', 60_000], ['h', 3_600_000]])
const SIZE = new Map([['', 1], ['KB', 1e3], ['MB', 1e6], ['GB', 1e9], ['KiB', 2 ** 10], ['MiB', 2 ** 20], ['GiB', 2 ** 30]])

/** Text that matches a pattern of the whole; by default anything without control characters, but not nothing. */
export function text(name = 'text', expected = 'text that is not empty', pattern = /^[^\x00-\x1f\x7f]+$/): Kind<string> {
  return fromStrings({ name, expected, fromText: (value) => (pattern.test(value) ? value : undefined) })
}

// It becomes part of AWS's host names.
export const region = text('region', 'a region such as us-east-1', /^[a-z0-9]+(-[a-z0-9]+)+$/)
// What the SDKs take for a name.
export const profileName = text('profile name', 'a name of letters, digits and _ - / . % @ : +', /^[\w\-/.%@:+]+$/)
export const roleArn = text('role ARN', 'the ARN of an IAM role', /^arn:aws[a-z-]*:iam::\d{12}:role\/[\w+=,.@/-]{1,576}$/)
export const modelPattern = text('model pattern', 'a model id or ARN, `*` for any characters', /^[\w.:/*-]+$/)

export const host = text('host', 'a host name or an IP address (IPv6 without brackets)', /^[A-Za-z0-9._:%-]+$/)

/** A host as it stands in an https:// URL. */
export const authority: Kind<string> = fromStrings({
  name: 'host',
  expected: 'a host name, with its port where that is not 443',
  fromText: (value) => (/^(?:[a-z0-9]([a-z0-9._-]*[a-z0-9])?|\[[0-9a-f:]+\])(:\d{1,5})?$/i.test(value) && URL.canParse(`https://${value}`) ? value : undefined),
})

export const secret: Kind<Secret> = fromStrings({
  name: 'secret',
  expected: 'text that is not empty',
  fromText: (value) => (value === '' ? undefined : new Secret(value)),
  held: true,
  discreet: true,
  secret: true,
})

/** A key of Bedrock itself, which goes out as a header. Clients of a proxy keep their own token where SDKs look for one: it is known by its shape. */
export const apiKey: Kind<Secret> = fromStrings({
  ...secret,
  expected: 'a Bedrock API key, which a JSON Web Token (eyJ…) is not',
  fromText: (value) => (/^(?!eyJ)[\x21-\x7e]+$/.test(value) ? new Secret(value) : undefined),
})

/** A PEM block. Discreet, because a private key could stand where a public one belongs. */
export const pem: Kind<string> = fromStrings({
  name: 'PEM',
  expected: 'PEM text, beginning with -----BEGIN',
  fromText: (value) => (/^\s*-----BEGIN [A-Z ]+-----\s/.test(value) ? value : undefined),
  held: true,
  discreet: true,
})

/** The name of a file, made absolute. Discreet, because secrets are pasted where their file's name belongs. */
export const path: Kind<string> = fromStrings({
  name: 'path',
  expected: 'the path of a file',
  fromText: (value, folder) => (/^[^\0]+$/.test(value) ? resolve(folder, value) : undefined),
  discreet: true,
})

/** A URL, kept as it is written. Discreet, because URLs can carry passwords. */
export const url: Kind<string> = fromStrings({
  name: 'URL',
  expected: 'an https:// URL (http:// for a loopback host only) without user or fragment',
  fromText: (value) => {
    // Only plain URL characters: what WHATWG parsing would drop or turn (tabs, backslashes) is refused instead.
    if (!/^https?:\/\/[\w.:[\]-]+(\/[\w.~%/-]*)?(\?[\w.~%&=-]+)?$/.test(value) || !URL.canParse(value)) return undefined
    const { protocol, hostname } = new URL(value)
    const loopback = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(hostname)
    return protocol === 'https:' || loopback ? value : undefined
  },
  discreet: true,
})

/** The scheme, host and port of an AWS service: its paths are AWS's. */
export const endpoint: Kind<string> = {
  ...url,
  expected: `${url.expected}, and without a path`,
  fromText: (value, folder) => originOf(url.fromText(value, folder)),
  fromValue: (value, folder) => originOf(url.fromValue(value, folder)),
}

function originOf(value: string | undefined): string | undefined {
  if (value === undefined) return undefined
  const { origin, pathname, search } = new URL(value)
  return pathname === '/' && search === '' ? origin : undefined
}

/** Addresses of other hosts. */
export const network: Kind<string> = fromStrings({
  name: 'network',
  expected: 'an IP address, or a block of them such as 10.0.0.0/8 with no bits behind its prefix',
  fromText: (value) => (parseNetwork(value) === undefined ? undefined : value),
})

/** The URL of an HTTP proxy. A user and password may stand in it, so it is a secret. */
export const proxyUrl: Kind<Secret> = fromStrings({
  ...secret,
  name: 'proxy URL',
  expected: 'http://host:port or https://host:port, or unix: and the path of a socket, with user:password@ before the host where needed (percent-encoded), and no path',
  fromText: (value) => (/^unix:\/[^\0]+$/.test(value) || isUrlWithUser(value, PROXY_URL) ? new Secret(value) : undefined),
})

const PROXY_URL = /^https?:\/\/(?:([\w.~!$&'()*+,;=%-]+(?::[\w.~!$&'()*+,;=:%-]*)?)@)?(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?\/?$/

/** @param pattern - Of the whole; its group is the user with the password. */
function isUrlWithUser(value: string, pattern: RegExp): boolean {
  const match = pattern.exec(value)
  try {
    decodeURIComponent(match?.[1] ?? '')
    return match !== null && URL.canParse(value)
  } catch {
    return false
  }
}

/** Where a Redis is. A user and password may stand in it, so it is a secret. */
export const redisUrl: Kind<Secret> = fromStrings({
  ...secret,
  name: 'Redis URL',
  expected: 'redis://host:port or rediss://host:port (TLS), with user:password@ before the host (percent-encoded) and /number of the database behind the port where needed',
  fromText: (value) => (isUrlWithUser(value, /^rediss?:\/\/(?:([\w.~!$&'()*+,;=%-]*(?::[\w.~!$&'()*+,;=:%-]*)?)@)?(?:[\w.-]+|\[[\da-fA-F:.]+\])(?::\d+)?(?:\/\d{0,5})?$/) ? new Secret(value) : undefined),
})

/** A prefix of paths; a slash alone, or at the end, counts as not there. */
export const basePath: Kind<string> = fromStrings({
  name: 'path prefix',
  expected: 'a path such as /bedrock, of letters, digits and - . _ ~',
  fromText: (value) => {
    const trimmed = value.replace(/\/$/, '')
    return /^(\/(?!\.\.?(\/|$))[\w.~-]+)*$/.test(trimmed) ? trimmed : undefined
  },
})

/** Text with places for what is known of a caller. */
export const template: Kind<string> = fromStrings({
  name: 'template',
  expected: 'text, in which {user}, {issuer} and {claim:/pointer} stand for what the token says',
  fromText: (value) => (/[\x00-\x1f\x7f]/.test(value) || parseTemplate(value) === undefined ? undefined : value),
})

export const boolean: Kind<boolean> = {
  name: 'boolean',
  expected: 'true or false',
  fromText: (value) => new Map([['true', true], ['false', false]]).get(value),
  fromValue: (value) => (typeof value === 'boolean' ? value : undefined),
}

export function choice<const T extends string>(...values: readonly T[]): Kind<T> {
  const expected = `one of ${values.join(', ')}`
  return fromStrings({ name: values.join(' | '), expected, fromText: (value) => values.find((one) => one === value) })
}

export function integer(min: number, max: number): Kind<number> {
  return {
    name: `integer ${min}–${max}`,
    expected: `an integer from ${min} to ${max}`,
    fromText: (value) => within(quantity(value, COUNT), min, max),
    fromValue: (value) => within(value, min, max),
  }
}

/** US dollars as a decimal number; no finer than millionths, so that sums of them stay exact. */
export function usd(max: number): Kind<number> {
  const read = (value: unknown) => (typeof value === 'number' && value >= 0 && value <= max && Math.round(value * 1e6) / 1e6 === value ? value : undefined)
  return {
    name: `USD 0–${max}`,
    expected: `US dollars from 0 to ${max}, with at most six digits behind the point`,
    fromText: (value) => (/^\d+(\.\d+)?$/.test(value) ? read(Number(value)) : undefined),
    fromValue: read,
  }
}

/** Milliseconds, written with a unit: `250ms`, `30s`, `5m`, `8h`. A bare number is refused: its unit would be a guess. */
export function duration(min: string, max = LONGEST_TIMER): Kind<number> {
  const [least, most] = [quantity(min, DURATION), quantity(max, DURATION)]
  return fromStrings({
    name: `duration ${min}–${max}`,
    expected: `a duration from ${min} to ${max} with its unit (ms, s, m or h)`,
    fromText: (value) => within(quantity(value, DURATION), least, most),
  })
}

/** Bytes: a bare number, or with a decimal (`25MB`) or binary (`64KiB`) unit. */
export function size(min: string, max: string): Kind<number> {
  const [least, most] = [quantity(min, SIZE), quantity(max, SIZE)]
  const read = (value: unknown) => within(typeof value === 'string' ? quantity(value, SIZE) : value, least, most)
  const expected = `a size from ${min} to ${max}, in bytes or with a unit (KB, MB, GB, KiB, MiB or GiB)`
  return { name: `size ${min}–${max}`, expected, fromText: read, fromValue: read }
}

/** A list; in a variable its items stand between commas. */
export function list<T>(of: Kind<T>, min = 1): Kind<readonly T[]> {
  const whole = (items: readonly (T | undefined)[]) =>
    items.length >= min && items.every((item) => item !== undefined) ? Object.freeze(items) : undefined
  return {
    name: `list of ${of.name}`,
    expected: `a list (in a variable: with commas), each item ${of.expected}`,
    fromText: (value, folder) => whole(value === '' ? [] : value.split(',').map((item) => of.fromText(item.trim(), folder))),
    fromValue: (value, folder) => (Array.isArray(value) ? whole(value.map((item) => of.fromValue(item, folder))) : undefined),
  }
}

/** Completes a kind that the file, too, writes as a string. */
function fromStrings<T>(kind: Omit<Kind<T>, 'fromValue'>): Kind<T> {
  return { ...kind, fromValue: (value, folder) => (typeof value === 'string' ? kind.fromText(value, folder) : undefined) }
}

function quantity(value: string, units: ReadonlyMap<string, number>): number | undefined {
  const [, digits, unit] = /^(0|[1-9]\d{0,14})([A-Za-z]*)$/.exec(value) ?? []
  const factor = units.get(unit ?? '')
  return digits === undefined || factor === undefined ? undefined : Number(digits) * factor
}

function within(value: unknown, min = 0, max = Number.MAX_SAFE_INTEGER): number | undefined {
  return Number.isSafeInteger(value) && Number(value) >= min && Number(value) <= max ? Number(value) : undefined
}

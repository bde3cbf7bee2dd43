import { isUtf8 } from 'node:buffer'
import { createHash } from 'node:crypto'
import { KNOWN_SECRETS } from './known-secrets.ts'

const MIN_BYTES = 32
/** Just below what 32 letters of both cases can hold. */
const MIN_BITS = 180

/** One of these, in one case ("secret", "Secret", "SECRET"), is enough; at six characters chance does not write them. */
const MARKERS = [
  'access', 'angular', 'change', 'default', 'django', 'encrypt', 'example', 'generate', 'password', 'placeholder', 'private',
  'production', 'random', 'replace', 'secret', 'secure', 'signing', 'string',
  'eyJhbGci', 'IkpXVCJ', 'GSIb3DQEB', 'ByqGSM49', '-----BEGIN', // of tokens and keys, which are made to be shown
]
const MARKER = new RegExp(MARKERS.flatMap((word) => [word, word.toUpperCase(), word.charAt(0).toUpperCase() + word.slice(1)]).join('|'))
/** These, in any case, count only for the characters they cover. */
const WORDS = new RegExp(
  'about|admin|agree|algorithm|application|auth|based|because|bearer|before|bytes|cannot|character|company|config|could|create|database|demo|develop|' +
    'dont|enough|environment|every|express|forever|github|google|guess|hacker|hard|hash|hello|here|hidden|hide|java|json|jwt|keep|keys?|know|leak|' +
    'length|letmein|local|login|long|make|master|minimum|must|name|never|nobody|node|only|owner|pass|people|phrase|please|project|public|python|' +
    'really|refresh|root|safe|salt|sample|server|service|session|share|should|signature|simple|special|spring|static|store|strong|super|symmetric|' +
    'system|temp|test|text|that|their|there|these|thing|this|todo|token|truly|ultra|unbreakable|under|unique|user|value|variable|very|want|web|' +
    'welcome|what|which|with|word|world|would|your',
  'g',
)
const PROSE = / \S+ |^[a-z]+(?:[^A-Za-z0-9]+(?:[a-z]+|[0-9]+)){2,}[^A-Za-z0-9]*$/
const UUID = /^\{?[0-9a-z]{8}(?:-[0-9a-z]{4}){3}-[0-9a-z]{12}\}?$/i
const KEYBOARD = '1234567890 qwertyuiop asdfghjkl zxcvbnm QWERTYUIOP ASDFGHJKL ZXCVBNM !@#$%^&*()'

/**
 * Why an HMAC secret can be guessed or looked up, in words that follow "the secret"; undefined when nothing speaks
 * against it. Whether it is long enough for an algorithm is not asked here.
 *
 * 32 random bytes or more, as they are or in hexadecimal, base64 or base64url, pass; chance refuses one in some fifty million.
 */
export function secretWeakness(secret: Uint8Array): string | undefined {
  const bytes = Buffer.from(secret)
  // A file's last line end is not what makes a secret.
  const text = bytes.toString('latin1').replace(/^[ \t\r\n]+|[ \t\r\n]+$/g, '')
  if (isKnown(text)) return 'is on a public list of secrets'
  return isText(bytes) ? textWeakness(text) : patternWeakness(text, 12)
}

/** What `KNOWN_SECRETS` keeps of a secret: 48 bits of its SHA-256. A random one is in the list by chance once in 5e11 times. */
const fingerprint = (text: string): string => createHash('sha256').update(text, 'latin1').digest().toString('base64', 0, 6)

let known: ReadonlySet<string> | undefined

function isKnown(text: string): boolean {
  known ??= new Set(KNOWN_SECRETS.match(/\S{8}/g))
  return known.has(fingerprint(text))
}

const isText = (bytes: Buffer): boolean => isUtf8(bytes) && !/[\x00-\x08\x0e-\x1f\x7f]/.test(bytes.toString('latin1'))

function textWeakness(text: string): string | undefined {
  if (text.length < MIN_BYTES) return 'stands for fewer than 32 bytes'
  if (UUID.test(text)) return 'is a UUID'
  const digits = text.replace(/^0x/i, '').replaceAll('-', '')
  if (/^[0-9a-f]+$/i.test(digits)) return hexWeakness(digits)
  const decoded = /^[A-Za-z0-9+/_-]+={0,2}$/.test(text) ? Buffer.from(text, 'base64') : undefined
  if (decoded !== undefined && isText(decoded)) return secretWeakness(decoded)
  if (MARKER.test(text) || PROSE.test(text === text.toUpperCase() ? text.toLowerCase() : text)) return 'is made of words'
  if (text.length * Math.log2(alphabetSize(text)) < MIN_BITS) return 'is short for the few kinds of characters in it'
  return patternWeakness(text, 16)
}

function hexWeakness(digits: string): string | undefined {
  if (digits.length < 2 * MIN_BYTES) return 'is hexadecimal and stands for fewer than 32 bytes'
  const decoded = Buffer.from(digits, 'hex')
  return isText(decoded) ? secretWeakness(decoded) : patternWeakness(decoded.toString('latin1'), 12)
}

const KINDS: readonly [RegExp, number][] = [[/[a-z]/, 26], [/[A-Z]/, 26], [/[0-9]/, 10], [/[^A-Za-z0-9]/, 33]]
const alphabetSize = (text: string): number => KINDS.reduce((sum, [kind, size]) => sum + (kind.test(text) ? size : 0), 0)

function patternWeakness(text: string, fewest: number): string | undefined {
  if (new Set(text).size <= fewest) return 'has few different characters'
  return countCovered(text) * 3 >= text.length ? 'is made of words, runs or repetitions' : undefined
}

/** How many characters belong to a word, a run or a repetition. */
function countCovered(text: string): number {
  const marks = new Uint8Array(text.length)
  const lower = text.toLowerCase()
  for (const word of lower.matchAll(WORDS)) marks.fill(1, word.index, word.index + word[0].length)
  markRuns(marks, 1, 4, (at) => isNeighbour(text.charAt(at), text.charAt(at + 1)))
  // "McQfTjWn": two alphabets in turn, three to five letters at a step. A web page makes its keys so, and they are copied everywhere.
  markRuns(marks, 2, 6, (at) => [3, 4, 5].includes(text.charCodeAt(at + 2) - text.charCodeAt(at)))
  const seen = new Set<string>()
  for (let at = 0; at + 4 <= text.length; at++) {
    const four = lower.slice(at, at + 4)
    if (seen.has(four)) marks.fill(1, at, at + 4)
    seen.add(four)
  }
  return marks.reduce((sum, mark) => sum + mark, 0)
}

/** Marks the stretches of at least `least` characters in which each is linked to the one `step` further on. */
function markRuns(marks: Uint8Array, step: number, least: number, linked: (at: number) => boolean): void {
  for (let start = 0, at = 0; at < marks.length; at++) {
    if (at + step < marks.length && linked(at)) continue
    if (at + step - start >= least) marks.fill(1, start, at + step)
    start = at + 1
  }
}

const isNeighbour = (a: string, b: string): boolean =>
  Math.abs(b.charCodeAt(0) - a.charCodeAt(0)) <= 1 || KEYBOARD.includes(a + b) || KEYBOARD.includes(b + a)

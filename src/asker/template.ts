import { createHash } from 'node:crypto'
import type { Described } from './askers.ts'

/** Literal text, and between it what is known of who asks. */
export type Template = readonly Piece[]

type Piece = { readonly text: string } | { readonly slot: 'user' | 'issuer' } | { readonly claim: string }

/**
 * Reads a template: `{user}`, `{issuer}`, `{claim:/pointer}`, and any other text as it is.
 *
 *     parseTemplate('{claim:/team}/{user}')
 *
 * @returns `undefined` for a brace that belongs to none of these.
 */
export function parseTemplate(text: string): Template | undefined {
  const pieces: Piece[] = []
  let end = 0
  for (const { 0: whole, 1: slot, 2: claim, 3: literal } of text.matchAll(PIECE)) {
    pieces.push(slot !== undefined ? { slot: slot as 'user' | 'issuer' } : claim !== undefined ? { claim } : { text: literal! })
    end += whole.length
  }
  return end === text.length && end > 0 ? pieces : undefined
}

const PIECE = /\{(?:(user|issuer)|claim:((?:\/(?:[^~/{}\x00-\x1f\x7f]|~[01])+)+))\}|([^{}]+)/g

/** JSON pointers of the claims that a template needs. */
export const claimsOf = (template: Template): readonly string[] => template.flatMap((piece) => ('claim' in piece ? [piece.claim] : []))

/** What AWS takes for a value. */
export interface Alphabet {
  /** Matches every character that is not in it; global, and by code points. */
  readonly foreign: RegExp
  /** In UTF-16 code units. */
  readonly min: number
  readonly max: number
}

/**
 * What a template makes of who asks, in an alphabet. Two who differ in what the template names never get the same text:
 * where something was replaced or cut, or where the text could also be that of another, a hash of all the values ends it.
 *
 *     fill(parseTemplate('{user}')!, { user: 'Ann Lee', … }, { foreign: /[^\w+=,.@-]/gu, min: 2, max: 64 })  // Ann_Lee=2f0c…
 */
export function fill(template: Template, asker: Described, { foreign, min, max }: Alphabet): string {
  const values = template.map((piece) => valueOf(piece, asker))
  const text = values.join('')
  const fitted = text.replace(foreign, '_')
  if (fitted === text && text.length >= min && text.length <= max && !MARKED.test(text) && isPlain(template, values)) return text
  const mark = `=${createHash('sha256').update(JSON.stringify(values)).digest('hex').slice(0, 16)}`
  return `${fitted.slice(0, max - mark.length).replace(/[\ud800-\udbff]$/, '')}${mark}`
}

function valueOf(piece: Piece, asker: Described): string {
  if ('text' in piece) return piece.text
  return 'claim' in piece ? asker.claims.get(piece.claim) ?? '' : asker[piece.slot]
}

/** Somebody may be called as if a hash ended the name: that one gets a hash too. */
const MARKED = /=[0-9a-f]{16}$/

/** Whether the values can be told from the text: the literal behind each value begins with a character that is not in the value. */
function isPlain(template: Template, values: readonly string[]): boolean {
  return template.every((piece, i) => {
    if ('text' in piece || i === template.length - 1) return true
    const next = template[i + 1]!
    return 'text' in next && (i === template.length - 2 || !values[i]!.includes(next.text[0]!))
  })
}

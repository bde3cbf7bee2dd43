import { createHash } from 'node:crypto'
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseJson } from '../json/index.ts'

/** Remote keys as their host sent them, and when: in milliseconds since 1970. */
export type KeyCopy = { readonly jwks: string; readonly fetchedMs: number }

/** Where the last good keys outlive the process, under the URL they came from. Both methods throw what went wrong. */
export interface KeyCopies {
  load(source: string): KeyCopy
  save(source: string, copy: KeyCopy): void
}

/** Copies as files of a folder. Who can write there decides whose tokens are good. */
export function keyCopies(folder: string): KeyCopies {
  const pathOf = (source: string) => join(folder, `${createHash('sha256').update(source).digest('hex').slice(0, 32)}.json`)
  return {
    load: (source) => parseJson(readFileSync(pathOf(source))) as KeyCopy,
    save(source, copy) {
      mkdirSync(folder, { recursive: true, mode: 0o700 })
      // Never half a file, even where several processes write at once.
      const draft = `${pathOf(source)}.${process.pid}`
      writeFileSync(draft, JSON.stringify({ source, ...copy }), { mode: 0o600 })
      renameSync(draft, pathOf(source))
    },
  }
}

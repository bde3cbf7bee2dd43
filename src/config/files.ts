import { existsSync, readFileSync, statSync } from 'node:fs'

/** What the configuration needs of a disk. */
export interface Files {
  readonly exists: (path: string) => boolean
  /** @throws an error with a `code` where the file cannot be read or is not UTF-8. */
  readonly readText: (path: string) => string
  /** The permission bits, or 0 where they cannot be known. */
  readonly mode: (path: string) => number
}

export const nodeFiles: Files = {
  exists: (path) => {
    try {
      return existsSync(path)
    } catch {
      // The permission model of Node lets nobody look there.
      return false
    }
  },
  // Fatal: a key of raw bytes would else become a key of replacement characters, the same for many.
  readText: (path) => new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(path)),
  mode: (path) => {
    try {
      return statSync(path).mode & 0o777
    } catch {
      return 0
    }
  },
}

/** The text of a file, or what kept it from being read: by its code, for the message holds the path, where a secret may stand. */
export function readText(files: Files, path: string): string | { readonly expected: string; readonly found: string } {
  try {
    return files.readText(path)
  } catch (error) {
    return { expected: 'a file of UTF-8 text that we may read', found: String((error as { readonly code?: unknown }).code) }
  }
}

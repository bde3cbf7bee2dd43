import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'

/** Where other people's test data lies: `$CONFORMANCE_VECTORS`, else beside the project. It is read there, never copied. */
const ROOT = process.env.CONFORMANCE_VECTORS ?? join(import.meta.dirname, '..', '..', '..', 'shared', 'vectors')

/**
 * Declares the conformance tests of one suite. `declare` gets the suite's folder and registers tests.
 * Where the folder is missing one test is reported as skipped, with the reason; with `CONFORMANCE_REQUIRED=1` it fails.
 */
export function conformance(suite: string, declare: (folder: string) => void): void {
  const folder = join(ROOT, suite)
  if (existsSync(folder)) return declare(folder)
  const reason = `no ${suite} in $CONFORMANCE_VECTORS or ../shared/vectors`
  test(`conformance: ${suite}`, { skip: process.env.CONFORMANCE_REQUIRED === '1' ? false : reason }, () => {
    throw new Error(reason)
  })
}

export const readJson = <T>(...path: string[]): T => JSON.parse(readFileSync(join(...path), 'utf8')) as T

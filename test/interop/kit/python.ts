import { join } from 'node:path'

/** Python as `install` made it. */
export const PYTHON = join(import.meta.dirname, '..', '.tmp', 'python', 'bin', 'python')

import { appendFileSync } from 'node:fs'
import { onDial } from './dials.ts'

/** Loaded before a program: writes down what it connects to, in the file whose path stands in the query of this one's URL. */
const file = decodeURIComponent(new URL(import.meta.url).search.slice(1))
const known = new Set<string>()
onDial((dial) => {
  if (known.has(dial)) return
  known.add(dial)
  // At once: programs are killed.
  appendFileSync(file, `${dial}\n`)
})

import { formatProblem, loadConfig } from '../../src/config/index.ts'
import type { Files, Loaded } from '../../src/config/index.ts'

/** A disk of these files, all of mode 600 but those named in `modes`. */
export function disk(texts: Readonly<Record<string, string>>, modes: Readonly<Record<string, number>> = {}): Files {
  return {
    exists: (path) => Object.hasOwn(texts, path),
    readText: (path) => {
      const text = Object.hasOwn(texts, path) ? texts[path] : undefined
      if (text === undefined) throw Object.assign(new Error(`no such file: ${path}`), { code: 'ENOENT' })
      return text
    },
    mode: (path) => modes[path] ?? 0o600,
  }
}

/** What every complete configuration needs. */
export const NEEDED = { jwt: { secret: 'hush' }, aws: { region: 'eu-central-1' } }

/** Loads with `document`, as text or to be written as JSON, as /srv/config.json, and nothing else but `env`. */
export function load(document: unknown, env: Readonly<Record<string, string>> = {}, texts: Readonly<Record<string, string>> = {}, modes = {}): Loaded {
  const text = typeof document === 'string' ? document : JSON.stringify(document, null, 1)
  return loadConfig({ args: {}, env, cwd: '/srv', files: disk({ '/srv/config.json': text, ...texts }, modes) })
}

export const lines = ({ problems }: Loaded): readonly string[] => problems.map(formatProblem)

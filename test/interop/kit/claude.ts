import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/** The program, as its package brings it for this machine. */
export const CLAUDE = join(import.meta.dirname, '..', 'claude-code', 'node_modules', '@anthropic-ai', `claude-code-${process.platform}-${process.arch}`, 'claude')

/** What became of one question. */
export interface Told {
  readonly code: number
  readonly out: string
  /** How often the commands were called that are in the place of `bedrock-sso-proxy`. */
  readonly helped: number
}

/** Somebody who has just installed Claude Code, and nothing else. */
export class ClaudeUser {
  readonly #home: string
  readonly #bin: string
  readonly #helped: string

  constructor(folder: string) {
    this.#home = mkdtempSync(join(folder, 'claude-'))
    this.#bin = join(this.#home, 'bin')
    this.#helped = join(this.#home, 'helped')
    mkdirSync(this.#bin)
    writeFileSync(this.#helped, '')
    mkdirSync(join(this.#home, '.claude'))
  }

  /** What stands in `~/.claude/settings.json`. */
  settings(json: string): this {
    writeFileSync(join(this.#home, '.claude', 'settings.json'), json)
    return this
  }

  /** Puts a `bedrock-sso-proxy` in the path that prints one of these each time, the last one for ever. */
  helper(...outputs: readonly string[]): this {
    outputs.forEach((output, i) => writeFileSync(`${this.#helped}-${i + 1}`, output))
    const script = `#!/bin/sh\necho >> ${this.#helped}\nn=$(wc -l < ${this.#helped})\n[ -f ${this.#helped}-$n ] || n=${outputs.length}\ncat ${this.#helped}-$n\n`
    writeFileSync(join(this.#bin, 'bedrock-sso-proxy'), script, { mode: 0o700 })
    return this
  }

  /** Pastes lines into a shell, and says hello. What it remarks besides, such as on models that it does not know, counts for nothing. */
  async ask(lines: string, ...args: readonly string[]): Promise<Told> {
    const env = { HOME: this.#home, PATH: `${this.#bin}:${process.env.PATH}`, CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1' }
    const child = spawn('sh', ['-c', `${lines}\nexec "$0" -p hello "$@"`, CLAUDE, ...args], { cwd: this.#home, env, stdio: ['ignore', 'pipe', 'ignore'] })
    const [out, [code]] = await Promise.all([text(child.stdout), once(child, 'close') as Promise<[number]>])
    return { code, out, helped: readFileSync(this.#helped).length }
  }
}

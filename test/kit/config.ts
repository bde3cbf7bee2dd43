import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after } from 'node:test'

/** A configuration file for tables, which no variable can say; it can be written anew. */
export class ConfigFile {
  readonly path: string
  /** The variable that names it. */
  readonly env: { readonly BEDROCK_SSO_PROXY_CONFIG: string }

  constructor(content: object) {
    const folder = mkdtempSync(join(tmpdir(), 'config-'))
    after(() => rmSync(folder, { recursive: true }))
    this.path = join(folder, 'config.json')
    this.env = { BEDROCK_SSO_PROXY_CONFIG: this.path }
    this.write(content)
  }

  write(content: object): void {
    writeFileSync(this.path, JSON.stringify(content))
  }
}

import { spawnSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { NodeBuild } from './flavours.ts'

/** The program and the licence of an official build. */
export interface OfficialNode {
  readonly program: Buffer
  readonly licence: Buffer
}

/**
 * Gets an official build by npm, or from `folder` where it is already, and checks it against its pinned hash.
 *
 * @throws Error - where it cannot be had, or is another one.
 */
export function officialNode({ package: name, version, integrity }: NodeBuild, folder: string): OfficialNode {
  const archive = join(folder, `${name}-${version}.tgz`)
  if (!existsSync(archive)) {
    mkdirSync(folder, { recursive: true })
    run('npm', ['pack', '--silent', '--pack-destination', folder, `${name}@${version}`])
  }
  const found = `sha512-${createHash('sha512').update(readFileSync(archive)).digest('base64')}`
  if (found !== integrity) throw new Error(`${archive} is not what is pinned: ${found}`)
  const member = (path: string) => run('tar', ['-xzOf', archive, `package/${path}`])
  return { program: member('bin/node'), licence: member('LICENSE') }
}

const MAX_BYTES = 512 * 1024 * 1024

/** What a command prints. */
export function run(command: string, args: readonly string[]): Buffer {
  const { status, error, stdout, stderr } = spawnSync(command, args, { maxBuffer: MAX_BYTES, stdio: ['ignore', 'pipe', 'pipe'] })
  if (error !== undefined) throw error
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${status}: ${stderr.toString()}${stdout.toString()}`)
  return stdout
}

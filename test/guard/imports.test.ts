import assert from 'node:assert/strict'
import { readdirSync, readFileSync, statSync } from 'node:fs'
import { join, sep } from 'node:path'
import { describe, test } from 'node:test'
import { RULES, type Tree } from './house.ts'

const ROOT = join(import.meta.dirname, '..', '..')
const OURS = readTree()

/** What breaks each rule, put into a house that is in order otherwise, and what the check says of it. */
const BREACHES: readonly [rule: RegExp, path: string, source: string, found: string][] = [
  [/plain/, 'src/jwt/verify.ts', `import { verify } from 'jose'\n`, 'src/jwt/verify.ts imports jose'],
  [/plain/, 'src/jwt/verify.ts', `import { createHmac } from 'crypto'\n`, 'src/jwt/verify.ts imports crypto'],
  [/plain/, 'src/jwt/verify.ts', `import { gone } from './gone.ts'\n`, 'src/jwt/verify.ts imports ./gone.ts'],
  [/plain/, 'src/jwt/verify.ts', `import { sign } from '../jwt'\n`, 'src/jwt/verify.ts imports ../jwt'],
  ...[
    `import 'node:fs'`, `import "node:fs"`, `const fs = await import('node:fs')`, `let a: import('node:fs').Stats`, `;import { x } from 'node:fs'`,
    `import { x } from /* y */ "node:fs"`, `export * from'node:fs'`, `import {\n  x,\n}\nfrom\n'node:fs'`, `import { x } from 'node:fs' // y`,
  ].map((source): typeof BREACHES[number] => [/plain/, 'src/jwt/verify.ts', source, 'src/jwt/verify.ts imports in a way that is not plain to see']),
  [/has a door/, 'src/shed/index.ts', '', 'shed is not in the table'],
  [/has a door/, 'src/toml/parser.ts', '', 'toml has no door'],
  [/levels below/, 'src/jwt/verify.ts', `import { sign } from '../sigv4/index.ts'\n`, 'src/jwt/verify.ts imports ../sigv4/index.ts'],
  [/levels below/, 'src/jwt/verify.ts', `import type { Config } from '../config/index.ts'\n`, 'src/jwt/verify.ts imports ../config/index.ts'],
  [/levels below/, 'src/jwt/verify.ts', `export * from '../proxy/index.ts'\n`, 'src/jwt/verify.ts imports ../proxy/index.ts'],
  [/levels below/, 'src/proxy/index.ts', `import { key } from '../jwt/verify.ts'\n`, 'src/proxy/index.ts imports ../jwt/verify.ts'],
  [/levels below/, 'src/server/index.ts', `import { demo } from '../demo/index.ts'\n`, 'src/server/index.ts imports ../demo/index.ts'],
  [/levels below/, 'bin/start.ts', `import { start } from '../src/cli/serve.ts'\n`, 'bin/start.ts imports ../src/cli/serve.ts'],
  [/looks inside/, 'test/proxy/flow.test.ts', `import { key } from '../../src/jwt/verify.ts'\n`, 'test/proxy/flow.test.ts imports ../../src/jwt/verify.ts'],
  [/module of Node/, 'src/sigv4/index.ts', `import { request } from 'node:https'\n`, 'src/sigv4/index.ts imports node:https'],
  [/module of Node/, 'src/proxy/index.ts', `import {\n  request,\n} from 'node:http'\n`, 'src/proxy/index.ts imports node:http'],
  [/module of Node/, 'src/proxy/index.ts', `import type { Socket } from 'node:net'\n`, 'src/proxy/index.ts imports node:net'],
  [/module of Node/, 'bin/start.ts', `import { readFileSync } from 'node:fs'\n`, 'bin/start.ts imports node:fs'],
  [/grants nothing/, 'src/jwt/verify.ts', `import { createHash } from 'node:crypto'\n`, 'jwt buffer'],
  [/sockets, files/, 'src/config/index.ts', `import { connect } from 'node:net'\n`, 'src/config/index.ts imports node:net'],
  [/sockets, files/, 'src/proxy/index.ts', `import * as files from 'node:fs/promises'\n`, 'src/proxy/index.ts imports node:fs/promises'],
  [/sockets, files/, 'src/server/index.ts', `import { spawn } from 'node:child_process'\n`, 'src/server/index.ts imports node:child_process'],
  [/sockets, files/, 'src/cli/main.ts', `import cluster from 'node:cluster'\n`, 'src/cli/main.ts imports node:cluster'],
  [/sockets, files/, 'src/cli/main.ts', `import { runInThisContext } from 'node:vm'\n`, 'src/cli/main.ts imports node:vm'],
  ...['eval', 'new Function', 'import(', 'require(', 'createRequire', 'getBuiltinModule', 'process.binding', 'fetch(', 'globalThis', 'new WebSocket', 'WebAssembly']
    .map((text): typeof BREACHES[number] => [/evaluated/, 'src/cli/main.ts', `const x = ${text}`, `src/cli/main.ts: ${text}`]),
  ...['Date.now()', 'new Date()', 'setTimeout', 'Math.random', 'randomUUID', 'console.', 'process.', 'performance.']
    .map((text): typeof BREACHES[number] => [/clock/, 'src/jwt/verify.ts', `const x = ${text}`, `src/jwt/verify.ts: ${text}`]),
  [/lines/, 'src/jwt/verify.ts', '\n'.repeat(301), 'src/jwt/verify.ts has 301 lines'],
]

/** Small, and in order. */
const GOOD: Tree = new Map([
  ['src/json/index.ts', `import { isUtf8 } from 'node:buffer'\n`],
  ['src/log/index.ts', ''],
  ['src/jwt/index.ts', `import type { KeyObject } from 'node:crypto'\nimport { json } from '../json/index.ts'\nexport { verify, type Key } from './verify.ts'\n`],
  ['src/jwt/verify.ts', `import { Buffer } from 'node:buffer'\nimport { verify } from 'node:crypto'\n/**\n * verify(token, Date.now() / 1000)\n */\n`],
  ['src/proxy/index.ts', `import { createHash } from 'node:crypto'\nimport type { IncomingMessage } from 'node:http'\nimport type { Readable } from 'node:stream'\nimport { json } from '../json/index.ts'\nimport { log } from '../log/index.ts'\nimport {\n  verify,\n} from '../jwt/index.ts'\n`],
  ['src/cli/serve.ts', ''],
  ['src/cli/main.ts', `import { spawn } from 'node:child_process'\nimport { randomBytes } from 'node:crypto'\nimport { readFileSync } from 'node:fs'\nimport { join } from 'node:path'\nimport { parseArgs } from 'node:util'\nimport { setFlagsFromString } from 'node:v8'\nimport { handle } from '../proxy/index.ts'\nimport { start } from './serve.ts'\n`],
  ['bin/start.ts', `import { main } from '../src/cli/main.ts'\n`],
  ['test/jwt/verify.test.ts', `import { key } from '../../src/jwt/verify.ts'\nimport { start } from '../../src/cli/serve.ts'\nimport { handle } from '../../src/proxy/index.ts'\n`],
])

for (const [rule, check] of RULES) {
  describe(rule, () => {
    test('so it is', () => assert.deepEqual(check(OURS), []))
    test('a small house in order passes', () => assert.deepEqual(check(GOOD), []))
    for (const [, path, source, found] of BREACHES.filter(([name]) => name.test(rule))) {
      test(`a breach is found: ${JSON.stringify(source.slice(0, 80))} in ${path}`, () => assert.ok(check(new Map([...GOOD, [path, source]])).includes(found)))
    }
  })
}

test('each rule has been seen to fail', () => {
  for (const rule of RULES.keys()) assert.ok(BREACHES.some(([name]) => name.test(rule)), rule)
  for (const [name] of BREACHES) assert.equal([...RULES.keys()].filter((rule) => name.test(rule)).length, 1, String(name))
})

function readTree(): Tree {
  const list = (folder: string, recursive: boolean) => readdirSync(join(ROOT, folder), { recursive, encoding: 'utf8' }).map((path) => join(folder, path))
  const tests = list('test', false).filter((folder) => statSync(join(ROOT, folder)).isDirectory()).flatMap((folder) => list(folder, false))
  const ours = [...list('src', true), ...list('bin', true), ...tests].filter((path) => path.endsWith('.ts'))
  return new Map(ours.map((path) => [path.split(sep).join('/'), readFileSync(join(ROOT, path), 'utf8')]))
}

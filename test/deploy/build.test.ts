import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { blobOf } from '../../deploy/build/blob.ts'
import { inject } from '../../deploy/build/elf.ts'
import { FLAVOURS, majorOf } from '../../deploy/build/flavours.ts'
import { link } from '../../deploy/build/link.ts'
import { PARTS, VERSIONS } from '../../deploy/build/parts.ts'
import { billOfMaterials } from '../../deploy/build/sbom.ts'
import { verify } from '../../deploy/build/verify.ts'

const folder = mkdtempSync(join(tmpdir(), 'build-'))
after(() => rmSync(folder, { recursive: true }))
const MAJOR = Number(process.versions.node.split('.')[0])
/** This Node, where it is one of those that are shipped. */
const SHIPPED = FLAVOURS.filter(({ node }) => node.version === process.versions.node && node.package === `node-linux-${process.arch}`)
const needsShipped = SHIPPED.length > 0 ? {} : { skip: `Node ${process.versions.node} is in no binary` }

describe('link', () => {
  const modules = (main: string) => new Map([['bin/main.js', main], ['src/a/one.js', '"use strict";\nexports.one = 1;\n']])

  test('one file runs without the others, and is as the compiler wrote it', () => {
    const program = link(modules('#!/usr/bin/env node\n"use strict";\nconst one_1 = require("../src/a/one.js");\nconst os = require("node:os");\nconsole.log(one_1.one, os.EOL === "\\n");\n'), 'bin/main.js')
    writeFileSync(join(folder, 'linked.cjs'), program)
    assert.equal(execFileSync(process.execPath, [join(folder, 'linked.cjs')], { encoding: 'utf8' }), '1 true\n')
    assert.ok(program.includes('console.log(one_1.one, os.EOL === "\\n");'))
  })

  for (const [what, source, found] of [
    ['a package', 'require("left-pad")', 'left-pad is neither'],
    ['a module of Node without its prefix', 'require("fs")', 'fs is neither'],
    ['a file that is not there', 'require("./gone.js")', './gone.js is neither'],
    ['a module whose name is made up as it runs', 'require(name)', 'require stands where no import does'],
    ['another way to modules', 'module.require("x")', 'x is neither'],
  ] as const) {
    test(`${what} is not linked`, () => assert.throws(() => link(modules(`const x = ${source};\n`), 'bin/main.js'), (error: Error) => error.message.startsWith('bin/main.js: ') && error.message.includes(found)))
  }
})

describe('the application in a binary', () => {
  const options = ['--no-addons', '--disable-proto=throw']
  const probe = "const { sep } = require('node:path'); console.log(process.argv.slice(2).join(sep), process.execArgv.join(' '));\n"

  test('is the blob that Node itself would make, byte for byte', MAJOR >= 24 ? {} : { skip: `Node ${MAJOR} has another format` }, () => {
    writeFileSync(join(folder, 'probe.cjs'), probe)
    writeFileSync(join(folder, 'sea.json'), JSON.stringify({ main: 'probe.cjs', output: 'sea.blob', disableExperimentalSEAWarning: true, execArgv: options, execArgvExtension: 'none' }))
    execFileSync(process.execPath, ['--experimental-sea-config', 'sea.json'], { cwd: folder, stdio: 'ignore' })
    assert.ok(blobOf({ name: 'probe.cjs', program: probe, options }, MAJOR).equals(readFileSync(join(folder, 'sea.blob'))))
  })

  test('runs with its own options, to which nothing outside adds', needsShipped, () => {
    const { run } = made(probe, options)
    assert.equal(run(['a', 'b', '--inspect'], { NODE_OPTIONS: '--require /nowhere.cjs' }).stdout, `a/b/--inspect ${options.join(' ')}\n`)
  })

  test('is put into nothing but a Node that holds none yet', needsShipped, () => {
    const { binary } = made(probe, options)
    assert.throws(() => inject(binary, Buffer.alloc(4)), /holds an application already/)
    assert.throws(() => inject(Buffer.from('MZ and more'), Buffer.alloc(4)), /no ELF64 program/)
  })

  for (const flavour of SHIPPED) {
    test(`${flavour.name} five bytes of Node are others, all else is behind its end; a bit more is found`, () => {
      const node = readFileSync(process.execPath)
      const { binary } = made(probe, flavour.options, 'bedrock-sso-proxy.cjs')
      assert.match(verify({ binary, node, program: probe }).lines.join('\n'), new RegExp(`^${flavour.name}: [^]*; 5 of its ${node.length} bytes differ`))
      for (const at of [100, node.length - 1, binary.length - 1]) {
        const other = Buffer.from(binary)
        other[at]! ^= 1
        assert.equal(verify({ binary: other, node, program: probe }).good, false)
      }
      assert.equal(verify({ binary, node, program: `${probe} ` }).good, false)
    })
  }
})

/** What a program inside could do, in words that it prints: `allowed` or the code of the refusal. */
const DEEDS = {
  'read /etc/passwd': "fs.readFileSync('/etc/passwd')",
  'read its own environment': "fs.readFileSync('/proc/self/environ')",
  'list a folder': "fs.readdirSync('/')",
  'write beside itself': "fs.writeFileSync('/tmp/bedrock-sso-proxy-was-here', '')",
  'read its configuration': "fs.readFileSync('/etc/bedrock-sso-proxy/none')",
  'write its log': "fs.writeFileSync('/var/log/bedrock-sso-proxy/none/none', '')",
  'start a program': "cp.spawnSync('/bin/true').error && (() => { throw cp.spawnSync('/bin/true').error })()",
  'start a worker': "new (require('node:worker_threads').Worker)('0', { eval: true })",
  'open the inspector': "require('node:inspector').open(0)",
  'make code of a string': "new Function('return 1')()",
  'load native code': "process.dlopen({ exports: {} }, '/nowhere.node')",
  'open a socket': "require('node:net').createServer().listen(0, '127.0.0.1', function () { this.close() })",
}

const SEALED: Readonly<Record<string, string>> = {
  'read its configuration': 'ENOENT', 'write its log': 'ENOENT', 'open a socket': 'allowed', 'make code of a string': 'EvalError',
  'load native code': 'ERR_DLOPEN_DISABLED',
}
const UNSEALED: Readonly<Record<string, string>> = { ...SEALED, 'open the inspector': 'allowed' }

describe('the seal', needsShipped, () => {
  const program = `const fs = require('node:fs'), cp = require('node:child_process');
const tell = (deed, run) => { try { run(); console.log(deed + ': allowed') } catch (error) { console.log(deed + ': ' + (error.code ?? error.name)) } };
${Object.entries(DEEDS).map(([deed, code]) => `tell(${JSON.stringify(deed)}, () => { ${code} });`).join('\n')}
require('node:inspector').close?.();
`
  for (const flavour of SHIPPED) {
    test(`${flavour.name}: what a program inside can do, and cannot`, () => {
      const { stdout, stderr } = made(program, flavour.options).run([], {})
      const sealed = flavour.options.includes('--permission')
      const expected = Object.keys(DEEDS).map((deed) => `${deed}: ${(sealed ? SEALED[deed] ?? 'ERR_ACCESS_DENIED' : UNSEALED[deed] ?? 'allowed')}`)
      assert.deepEqual(stdout.trimEnd().split('\n'), expected, stderr)
    })
  }
})

describe('the bill of materials', () => {
  test('names every part that Node says it has, in its version', needsShipped, () => {
    // Numbers of interfaces, and tables rather than code.
    const others = ['node', 'cldr', 'modules', 'napi', 'tz', 'unicode']
    const said = Object.entries(process.versions).filter(([name, version]) => version !== '' && !others.includes(name))
    assert.deepEqual(VERSIONS[process.versions.node], Object.fromEntries(said))
  })

  test('holds what is shipped, each Node once, and its parts with licence and version; the same each time', () => {
    const nodes = [...new Set(FLAVOURS.map(({ node }) => node))].map((node) => ({ node, sha256: 'a'.repeat(64) }))
    const made = () => billOfMaterials({ version: '1.2.3', sums: [`${'b'.repeat(64)}  bedrock-sso-proxy\n`], nodes })
    const bill = JSON.parse(made()) as { specVersion: string; serialNumber: string; metadata: { component: { components: { name: string; hashes: unknown }[] } }; components: { name: string; version: string; components: { name: string; version: string; licenses: unknown[] }[] }[] }
    assert.equal(made(), made())
    assert.equal(bill.specVersion, '1.6')
    assert.match(bill.serialNumber, /^urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    assert.deepEqual(bill.metadata.component.components.map(({ name, hashes }) => [name, hashes]), [['bedrock-sso-proxy', [{ alg: 'SHA-256', content: 'b'.repeat(64) }]]])
    assert.deepEqual(bill.components.map(({ version }) => version), nodes.map(({ node }) => node.version))
    for (const { components } of bill.components) {
      assert.ok(components.some(({ name, version }) => name === 'openssl' && /^3\./.test(version)))
      for (const { name, licenses } of components) assert.equal(licenses.length, 1, name)
    }
    for (const parts of Object.values(VERSIONS)) for (const key of Object.keys(parts)) assert.ok(PARTS[key], key)
  })
})

let number = 0

/** This Node with a program inside, and a way to run it. */
function made(program: string, options: readonly string[], name = 'probe.cjs') {
  const binary = inject(readFileSync(process.execPath), blobOf({ name, program, options }, majorOf(SHIPPED[0]!.node)))
  const path = join(folder, `probe-${number++}`)
  writeFileSync(path, binary, { mode: 0o755 })
  return { binary, run: (args: readonly string[], env: Readonly<Record<string, string>>) => spawnSync(path, args, { env, encoding: 'utf8' }) }
}

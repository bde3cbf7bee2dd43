import { posix } from 'node:path'

const REQUIRE = /\brequire\("([^"]+)"\)/g
const ANY_REQUIRE = /\brequire\b/g

/**
 * Links modules into one file that a person can read: each one as the compiler wrote it, in the order of their paths. Nothing but modules
 * of ours and `node:` is accepted, so that a file that comes out of here needs no package.
 *
 * @param modules - CommonJS as tsc emits it, by path.
 * @throws Error - naming the import that is neither.
 */
export function link(modules: ReadonlyMap<string, string>, entry: string): string {
  const linked = [...modules].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([path, source]) => {
    return `MODULES[${JSON.stringify(path)}] = (exports) => {\n${body(modules, path, source)}};\n`
  })
  return `${HEAD}\n${linked.join('\n')}\nload(${JSON.stringify(entry)});\n`
}

const HEAD = `'use strict';
const MODULES = Object.create(null);
const LOADED = Object.create(null);
function load(path) {
  if (LOADED[path] === undefined) MODULES[path](LOADED[path] = {});
  return LOADED[path];
}
`

function body(modules: ReadonlyMap<string, string>, path: string, source: string): string {
  const text = source.replace(/^#!.*\n/, '').replace(/^"use strict";\n/, '')
  const plain = [...text.matchAll(REQUIRE)].length
  if ([...text.matchAll(ANY_REQUIRE)].length !== plain) throw new Error(`${path}: require stands where no import does`)
  return text.replace(REQUIRE, (call, specifier: string) => {
    if (specifier.startsWith('node:')) return call
    const target = posix.join(posix.dirname(path), specifier)
    if (!specifier.startsWith('.') || !modules.has(target)) throw new Error(`${path}: ${specifier} is neither a module of ours nor of Node`)
    return `load(${JSON.stringify(target)})`
  })
}

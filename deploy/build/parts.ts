import type { NodeBuild } from './flavours.ts'

/** A part that Node brings along: its name for people, its licence by SPDX, and the names by which databases of vulnerabilities know it. */
export interface Part {
  readonly name: string
  readonly licence: string
  readonly cpe?: string
}

/** By the names of `process.versions`. What is not here is no part: numbers of interfaces, tables of Unicode and time zones. */
export const PARTS: Readonly<Record<string, Part>> = {
  acorn: { name: 'acorn', licence: 'MIT' },
  ada: { name: 'ada', licence: 'MIT' },
  amaro: { name: 'amaro', licence: 'MIT' },
  ares: { name: 'c-ares', licence: 'MIT', cpe: 'c-ares:c-ares' },
  brotli: { name: 'brotli', licence: 'MIT', cpe: 'google:brotli' },
  cjs_module_lexer: { name: 'cjs-module-lexer', licence: 'MIT' },
  icu: { name: 'icu', licence: 'Unicode-3.0', cpe: 'unicode:international_components_for_unicode' },
  libffi: { name: 'libffi', licence: 'MIT' },
  lief: { name: 'lief', licence: 'Apache-2.0' },
  llhttp: { name: 'llhttp', licence: 'MIT', cpe: 'llhttp:llhttp' },
  merve: { name: 'merve', licence: 'MIT' },
  nbytes: { name: 'nbytes', licence: 'MIT' },
  ncrypto: { name: 'ncrypto', licence: 'MIT' },
  nghttp2: { name: 'nghttp2', licence: 'MIT', cpe: 'nghttp2:nghttp2' },
  openssl: { name: 'openssl', licence: 'Apache-2.0', cpe: 'openssl:openssl' },
  simdjson: { name: 'simdjson', licence: 'Apache-2.0' },
  simdutf: { name: 'simdutf', licence: 'MIT' },
  sqlite: { name: 'sqlite', licence: 'blessing', cpe: 'sqlite:sqlite' },
  undici: { name: 'undici', licence: 'MIT', cpe: 'nodejs:undici' },
  uv: { name: 'libuv', licence: 'MIT', cpe: 'libuv:libuv' },
  uvwasi: { name: 'uvwasi', licence: 'MIT' },
  v8: { name: 'v8', licence: 'BSD-3-Clause', cpe: 'google:v8' },
  zlib: { name: 'zlib', licence: 'Zlib', cpe: 'zlib:zlib' },
  zstd: { name: 'zstd', licence: 'BSD-3-Clause', cpe: 'facebook:zstandard' },
}

/** What `process.versions` says of each of them, so that nothing has to run for the bill; a test asks the builds themselves. */
export const VERSIONS: Readonly<Record<NodeBuild['version'], Readonly<Record<string, string>>>> = {
  '26.10.0': {
    acorn: '8.18.0', ada: '4.0.0', amaro: '1.1.11', ares: '1.34.8', brotli: '1.2.0', icu: '78.3', libffi: '3.8.0', lief: '0.17.0',
    llhttp: '9.4.3', merve: '1.2.2', nbytes: '0.1.4', ncrypto: '0.0.1', nghttp2: '1.70.0', openssl: '3.5.8', simdjson: '4.6.11',
    simdutf: '7.7.0', sqlite: '3.53.4', undici: '8.10.2', uv: '1.52.1', uvwasi: '0.0.23', v8: '14.6.202.34-node.34',
    zlib: '1.3.2.1-motley-285e94b', zstd: '1.5.7',
  },
  '24.21.0': {
    acorn: '8.18.0', ada: '4.0.0', amaro: '1.1.11', ares: '1.34.8', brotli: '1.2.0', icu: '78.3', llhttp: '9.4.3', merve: '1.2.2',
    nbytes: '0.1.4', ncrypto: '0.0.1', nghttp2: '1.70.0', openssl: '3.5.8', simdjson: '4.6.7', simdutf: '6.4.0', sqlite: '3.53.4',
    undici: '7.29.1', uv: '1.52.1', uvwasi: '0.0.23', v8: '13.6.233.17-node.53', zlib: '1.3.2.1-motley-8002e91', zstd: '1.5.7',
  },
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type IniKind, parseIni } from '../../src/credentials/ini.ts'
import { selectedProfile } from '../../src/credentials/shared.ts'
import { CredentialsError } from '../../src/credentials/source.ts'
import { conformance, readJson } from '../kit/vectors.ts'
import { world } from './kit.ts'

interface Case {
  readonly _name: string
  readonly input: { readonly configFile?: string; readonly credentialsFile?: string }
  readonly output: { readonly config?: { readonly profiles: Readonly<Record<string, Readonly<Record<string, string>>>> }; readonly errorContaining?: string }
}

/** Our words for the suite's. */
const FAULTS: Readonly<Record<string, RegExp>> = {
  "Profile definition must end with ']'": /does not end with "]"/,
  'Expected a profile definition': /before the first section|continues no setting/,
  'Expected a property definition': /continues no setting/,
  'Expected a property definition, found continuation': /continues no setting/,
  'Property did not have a name': /has no name/,
  'Sub-property did not have a name': /has no name/,
  "Expected an '=' sign defining a property": /has no "="/,
  "Expected an '=' sign defining a sub-property": /has no "="/,
}

const texts = ({ configFile = '', credentialsFile = '' }: Case['input']) => ({ '/.aws/config': configFile, '/.aws/credentials': credentialsFile })

conformance('aws-credentials', (folder) => {
  for (const { _name, input, output } of readJson<Case[]>(folder, 'open', 'profile-parser-tests.json')) {
    for (const [ends, rewrite] of [['LF', (text: string) => text], ['CRLF', (text: string) => text.replaceAll('\n', '\r\n')]] as const) {
      test(`${_name} (${ends})`, () => {
        const files = texts({ configFile: rewrite(input.configFile ?? ''), credentialsFile: rewrite(input.credentialsFile ?? '') })
        if (output.errorContaining !== undefined) {
          assert.throws(() => selectedProfile(world({ texts: files })), (error) => error instanceof CredentialsError && error.code === 'CREDENTIALS_INVALID' && FAULTS[output.errorContaining!]!.test(error.message))
          return
        }
        const expected = output.config!.profiles
        const names = [parseIni(files['/.aws/config'], 'config'), parseIni(files['/.aws/credentials'], 'credentials')].flatMap((sections) => [...sections.keys()])
        assert.deepEqual([...new Set(names.filter((name) => name.startsWith('profile ')))].sort(), Object.keys(expected).map((name) => `profile ${name}`).sort())
        for (const [name, settings] of Object.entries(expected)) {
          assert.deepEqual(Object.fromEntries(selectedProfile(world({ texts: files, profile: name }))!), settings)
        }
      })
    }
  }
})

test('parseIni() keeps sections of every type apart, and the lines of a nested setting', () => {
  const sections = parseIni('[sso-session a]\nsso_region = x\n[services a]\nsts =\n  endpoint_url = http://x\n[profile a]\n', 'config')
  assert.deepEqual([...sections].map(([name, section]) => [name, Object.fromEntries(section)]), [
    ['sso-session a', { sso_region: 'x' }], ['services a', { sts: '\nendpoint_url = http://x' }], ['profile a', {}],
  ])
})

test('parseIni() takes a comment sign without a blank before it as part of the value', () => {
  assert.deepEqual([...parseIni('[a]\nx = y;z\nk = v#w ;c', 'credentials').get('profile a')!], [['x', 'y;z'], ['k', 'v#w']])
})

test('parseIni() takes names of object prototypes like any others', () => {
  for (const name of ['__proto__', 'constructor', 'hasOwnProperty', 'toString']) {
    const sections = parseIni(`[profile ${name}]\n${name} = x\n`, 'config')
    assert.deepEqual([...sections].map(([key, section]) => [key, [...section]]), [[`profile ${name}`, [[name.toLowerCase(), 'x']]]])
  }
  assert.equal(({} as Record<string, unknown>).x, undefined)
})

test('parseIni() names the file and the line, and nothing that stands there', () => {
  assert.throws(() => parseIni('[default]\n\naws_secret_access_key : hush\n', 'credentials'), { code: 'CREDENTIALS_INVALID', message: 'line 3 of the shared credentials file: a setting has no "="' })
})

/** Numbers from 0 to below 1, the same in every run (mulberry32). */
function numbers(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), 1 | state)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32
  }
}

const PIECES = ['[', ']', '[profile ', '[default]', 'a', 'B', '__proto__', '=', ' = ', ' ', '\t', '\n', '\r\n', '\n ', '\r', '#', ' ;', '\0', '\ufeff', '\u2028', 'é', '😀', '\ud800', ':']

test('parseIni() gives sections or its own error for whatever text', () => {
  const random = numbers(7)
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!
  for (let run = 0; run < 20_000; run++) {
    const text = Array.from({ length: Math.floor(random() * 24) }, () => pick(PIECES)).join('')
    const kind: IniKind = pick(['config', 'credentials'])
    try {
      for (const [name, section] of parseIni(text, kind)) {
        assert.match(name, /^\S+ [\w\-/.%@:+]+$/, JSON.stringify(text))
        for (const key of section.keys()) assert.match(key, /^[\w\-/.%@:+]+$/, JSON.stringify(text))
      }
    } catch (error) {
      assert.ok(error instanceof CredentialsError && error.code === 'CREDENTIALS_INVALID', `${JSON.stringify(text)}: ${String(error)}`)
    }
  }
})

test('parseIni() reads what was written', () => {
  const random = numbers(11)
  const word = (alphabet: string, length: number) => Array.from({ length: 1 + Math.floor(random() * length) }, () => alphabet[Math.floor(random() * alphabet.length)]!).join('')
  for (let run = 0; run < 500; run++) {
    const written = new Map(Array.from({ length: 4 }, () => [word('abcXYZ019_-/.%@:+', 8), new Map(Array.from({ length: 5 }, () => [word('abcxyz019_-', 8), `v${word('aZ09+/=#;:[]é', 12)}`] as const))] as const))
    const text = [...written].map(([name, section]) => `[${name}]\n${[...section].map(([key, value]) => `${key} =\t${value} # c\n`).join('')}`).join('\n')
    assert.deepEqual(parseIni(text, 'credentials'), new Map([...written].map(([name, section]) => [`profile ${name}`, section])))
  }
})

test('parseIni() is done with a megabyte of blanks at once', () => {
  const blanks = ' '.repeat(1_000_000)
  assert.deepEqual([...parseIni(`[a${blanks}]\nx${blanks}=${blanks}y${blanks}z${blanks}`, 'credentials').get('profile a')!], [['x', `y${blanks}z`]])
})

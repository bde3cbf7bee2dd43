import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Config } from '../../src/config/index.ts'
import { documented, SPELLINGS } from '../../src/config/schema.ts'
import { optionsTable } from '../../src/config/index.ts'
import type { Secret } from '../../src/secret/index.ts'

test('Config has the types of its options', () => {
  type Same<A, B> = (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false
  const same: readonly true[] = [
    true satisfies Same<Config['server']['port'], number>,
    true satisfies Same<Config['server']['timeouts']['header'], number>,
    true satisfies Same<Config['server']['tls']['cert_file'], string | undefined>,
    true satisfies Same<Config['jwt']['secret'], Secret | undefined>,
    true satisfies Same<Config['jwt']['max_lifetime'], number | undefined>,
    true satisfies Same<Config['jwt']['user_claims'], readonly string[]>,
    true satisfies Same<Config['jwt']['issuers'][0]['issuer'], string>,
    true satisfies Same<Config['jwt']['issuers'][0]['secret'], Secret | undefined>,
    true satisfies Same<Config['jwt']['issuers'][0]['leeway'], number>,
    true satisfies Same<Config['policy']['rules'][0]['users'], readonly string[] | undefined>,
    true satisfies Same<Config['pricing'][0]['input'], number>,
    true satisfies Same<Config['logging']['format'], 'json' | 'text'>,
    true satisfies Same<keyof Config, 'server' | 'jwt' | 'aws' | 'bidirectional' | 'policy' | 'limits' | 'pricing' | 'admin' | 'audit' | 'logging' | 'sso'>,
  ]
  assert.equal(same.length, 13)
})

for (const [name, option] of documented()) {
  test(`${name} documents itself, and its default is of its kind`, () => {
    assert.match(name, /^[a-z]+((\.|\[\]\.|\.<name>\.)[a-z][a-z_]*)*$/)
    assert.match(option.text, /^[A-Z`].*\.$/)
    assert.match(option.wrong, /^[A-Z`].*\.$/)
    if (option.default !== undefined) assert.notEqual(option.kind.fromText(option.default, ''), undefined)
  })
}

test('No two options share a spelling, and none is the section of another', () => {
  const keys = SPELLINGS.filter(({ variable, key }) => variable === key.toUpperCase().replaceAll('.', '__')).map(({ key }) => key)
  assert.equal(new Set(keys).size, keys.length)
  assert.equal(new Set(SPELLINGS.map(({ variable }) => variable)).size, SPELLINGS.length)
  for (const key of keys) assert.ok(!keys.some((other) => other.startsWith(`${key}.`)), key)
})

test('optionsTable() has one row for each option, with the same number of cells', () => {
  const rows = optionsTable().trimEnd().split('\n')
  assert.equal(rows.length, documented().length + 2)
  for (const row of rows) assert.equal(row.match(/(?<!\\)\|/g)?.length, 7, row)
  assert.equal(rows[3], '| `server.port` | `SERVER__PORT` | integer 0–65535 | `3000` '
    + '| Port to listen on; 0 takes any free one. | Taken by another process: the start fails. |')
  assert.match(optionsTable(), /`jwt\.secret`, `jwt\.secret_file` \| `JWT__SECRET`, `JWT__SECRET_FILE` \| secret \| none \|/)
  assert.match(optionsTable(), /\| `AWS__REGION`, `AWS_REGION`, `AWS_DEFAULT_REGION` \|/)
  assert.match(optionsTable(), /\| `jwt\.issuers` \| none \| list of tables \| none \|/)
  assert.match(optionsTable(), /\| `jwt\.issuers\[\]\.issuer` \| none \| text \| required \|/)
  assert.match(optionsTable(), /\| `jwt\.issuers\[\]\.secret`, `jwt\.issuers\[\]\.secret_file` \| none \| secret \| none \|/)
  assert.match(optionsTable(), /\| json \\\| text \|/)
})

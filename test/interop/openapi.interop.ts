import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Validator } from '@seriousme/openapi-schema-validator'
import { closing } from './kit/closing.ts'
import { program } from './kit/world.ts'

test('/openapi.json is a valid OpenAPI 3.1 document', async () => {
  const { url } = await program('usual', false)
  const document = await (await fetch(`${url}/openapi.json`)).json() as Record<string, unknown>
  const validator = new Validator()
  const { valid, errors } = await validator.validate(document)
  assert.equal(valid, true, JSON.stringify(errors))
  assert.equal(validator.version, '3.1')
})

closing('openapi')

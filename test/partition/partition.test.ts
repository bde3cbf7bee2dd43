import assert from 'node:assert/strict'
import { test } from 'node:test'
import { partitionOf } from '../../src/partition/index.ts'

test('partitionOf() knows every partition by the beginning of its regions', () => {
  for (const [region, suffix, dualStackSuffix] of [
    ['us-east-1', 'amazonaws.com', 'api.aws'],
    ['us-gov-west-1', 'amazonaws.com', 'api.aws'],
    ['cn-north-1', 'amazonaws.com.cn', 'api.amazonwebservices.com.cn'],
    ['eusc-de-east-1', 'amazonaws.eu', 'api.amazonwebservices.eu'],
    ['us-iso-east-1', 'c2s.ic.gov', 'api.aws.ic.gov'],
    ['us-isob-east-1', 'sc2s.sgov.gov', 'api.aws.scloud'],
    ['eu-isoe-west-1', 'cloud.adc-e.uk', 'api.cloud-aws.adc-e.uk'],
    ['us-isof-south-1', 'csp.hci.ic.gov', 'api.aws.hci.ic.gov'],
    ['mars-north-1', 'amazonaws.com', 'api.aws'],
  ] as const) assert.deepEqual(partitionOf(region), { suffix, dualStackSuffix }, region)
})

/** What the host names of AWS end with in one of its partitions. */
export interface Partition {
  readonly suffix: string
  /** Of the hosts that have IPv6 addresses too. */
  readonly dualStackSuffix: string
}

/** AWS endpoint rule sets, `partitions.json`: region pattern, suffix, dual-stack suffix. */
const PARTITIONS: readonly (readonly [RegExp, string, string])[] = [
  [/^cn-/, 'amazonaws.com.cn', 'api.amazonwebservices.com.cn'],
  [/^eusc-/, 'amazonaws.eu', 'api.amazonwebservices.eu'],
  [/^us-iso-/, 'c2s.ic.gov', 'api.aws.ic.gov'],
  [/^us-isob-/, 'sc2s.sgov.gov', 'api.aws.scloud'],
  [/^eu-isoe-/, 'cloud.adc-e.uk', 'api.cloud-aws.adc-e.uk'],
  [/^us-isof-/, 'csp.hci.ic.gov', 'api.aws.hci.ic.gov'],
  [/^/, 'amazonaws.com', 'api.aws'],
]

/** The partition of a region; that of the public regions for one that is not known. */
export function partitionOf(region: string): Partition {
  const [, suffix, dualStackSuffix] = PARTITIONS.find(([pattern]) => pattern.test(region))!
  return { suffix, dualStackSuffix }
}

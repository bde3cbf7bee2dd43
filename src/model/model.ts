import { otherNames, type OtherNames, spellings } from './spellings.ts'

/** The model that a request asks for, taken apart once. */
export interface Model {
  /** As it was asked for, decoded. */
  readonly id: string
  /** `foundation-model`, `inference-profile`, or what the ARN says: `application-inference-profile`, `provisioned-model`, `endpoint`…; `unknown` where neither. */
  readonly type: string
  /** The parts of an ARN. */
  readonly partition: string | undefined
  readonly region: string | undefined
  readonly account: string | undefined
  /** Bare ids of the foundation models behind it, without geography. None where it is opaque: then it can be any model at all. */
  readonly names: readonly string[]
  /** Where it may run: `us`, `eu`, `global`…, `in-region` for one region only; `undefined` where that is unknown. */
  readonly geography: string | undefined
  /** Every exact spelling of each of the names. */
  readonly spellings: readonly (readonly string[])[]
  /** What each of them may be called besides. */
  readonly others: readonly OtherNames[]
}

const ARN = /^arn:(?<partition>aws[a-z-]*):(?:bedrock|sagemaker):(?<region>[a-z0-9-]*):(?<account>\d*):(?<type>[a-z-]+)\/(?<resource>.+)$/
/** Types whose ARN ends with the id of a foundation model. */
const TRANSPARENT: ReadonlySet<string | undefined> = new Set(['foundation-model', 'inference-profile'])
/** A provider and the name of its model, a version, a context length: `amazon.nova-pro-v1:0:24k` (API reference, InferenceProfileModel). */
const NAME = /^[a-z0-9-]+(?:\.[a-z0-9-]+){1,3}(?::\d+(?::[a-z0-9]+)?)?$/
/** Geographies have codes of two letters, but for these; what follows still has a provider. */
const GEOGRAPHY = /^(us-gov|apac|global|[a-z]{2})\.(?=[a-z0-9-]+\.)/

/**
 * The model that is meant by an id, decoded: `anthropic.claude-sonnet-4-20250514-v1:0`, the same with a geography before it, or an ARN.
 * Never throws: what cannot be understood is opaque.
 *
 * @param behind - ARNs of the models behind an inference profile, where they are known: `models[].modelArn` of GetInferenceProfile.
 */
export function parseModel(id: string, behind?: readonly string[]): Model {
  const { partition, region, account, type, resource } = ARN.exec(id)?.groups ?? {}
  const parts = { id, partition, region, account }
  if (behind !== undefined) return { ...parts, type: type ?? 'application-inference-profile', ...profileOf(behind) }
  const name = TRANSPARENT.has(type) ? resource! : id
  if (!NAME.test(name)) return { ...parts, type: type ?? 'unknown', ...OPAQUE }
  const prefix = GEOGRAPHY.exec(name)?.[1]
  const bare = prefix === undefined ? name : name.slice(prefix.length + 1)
  // One geography before another is none that AWS has.
  const geography = GEOGRAPHY.test(bare) ? undefined : prefix ?? (type === 'inference-profile' ? undefined : 'in-region')
  return { ...parts, type: type ?? (prefix === undefined ? 'foundation-model' : 'inference-profile'), names: [bare], geography, spellings: [spellings(bare, prefix)], others: [otherNames(bare)] }
}

const OPAQUE = { names: [], geography: undefined, spellings: [], others: [] } as const

/** Stands where a request names no model, or in no way that we can read, though its operation runs one. */
export const UNNAMED: Model = parseModel('')

/** What is behind a profile: known only where each of its models is. */
function profileOf(arns: readonly string[]): Pick<Model, 'names' | 'geography' | 'spellings' | 'others'> {
  const models = arns.map((arn) => parseModel(arn))
  if (models.length === 0 || models.some(({ names }) => names.length === 0)) return OPAQUE
  const names = [...new Set(models.flatMap((model) => model.names))]
  const geography = geographyOf(models.map(({ region }) => region ?? ''))
  return { names, geography, spellings: names.map((name) => spellings(name, undefined)), others: names.map(otherNames) }
}

/** Regions of a geography, the narrowest first. ARNs of models that run anywhere name no region. */
const REGIONS: readonly (readonly [geography: string, regions: RegExp])[] = [
  ['jp', /^ap-northeast-[13]$/], ['au', /^ap-southeast-[24]$/], ['us-gov', /^us-gov-/], ['us', /^us-(?!gov-)/], ['eu', /^eu-/], ['apac', /^ap-/],
]

/** Whether an id with a geography before it means something in a region. `global` is all of the commercial partition. */
export function isInGeography(region: string, geography: string): boolean {
  if (geography === 'global') return !/^(?:cn|eusc|us-gov|us-iso[a-z]?|eu-iso[a-z]?)-/.test(region)
  const pattern = REGIONS.find(([name]) => name === geography)?.[1]
  return pattern === undefined ? region.startsWith(`${geography}-`) : pattern.test(region)
}

/** The widest geography of a region: `us`, `us-gov`, `eu`, `apac`, and what else regions begin with. */
export function regionGeography(region: string): string {
  const [area] = /^(?:(?:us-gov|us-iso[a-z]?|eu-iso[a-z]?)(?=-)|[a-z]+)/.exec(region) ?? ['']
  return area === 'ap' ? 'apac' : area
}

function geographyOf(regions: readonly string[]): string {
  if (regions.length === 1 && regions[0] !== '') return 'in-region'
  return REGIONS.find(([, pattern]) => regions.every((region) => pattern.test(region)))?.[0] ?? 'global'
}

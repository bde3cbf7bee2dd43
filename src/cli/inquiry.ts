import type { Described } from '../asker/index.ts'
import { CredentialsError, roleSessionOf } from '../credentials/index.ts'
import { parseJson } from '../json/index.ts'
import { parseModel } from '../model/index.ts'
import { Appearances, askAws, type CallDependencies, Refusal, type Told, type Way } from '../proxy/index.ts'
import { UpstreamError } from '../upstream/index.ts'
import { appearanceRules, rolesOf } from './appearance.ts'
import type { WayToAws } from './aws.ts'
import type { Terminal } from './command.ts'
import { fail, type Finding, ok, warn } from './finding.ts'
import type { Setup } from './setup.ts'
import { mayAskSts } from './upstreams.ts'

/** Whom and what to look at beyond the proxy itself. */
export interface About {
  readonly asker: Described | undefined
  readonly models: readonly string[]
}

type Looks = readonly (readonly [subject: string, look: Promise<readonly Finding[]>])[]

/** What is asked of AWS with the credentials, to see what it makes of them. */
export function inquiries(setup: Setup, env: Terminal['env'], way: WayToAws, { asker, models }: About): Looks {
  const appearances = new Appearances(appearanceRules(setup.config))
  const theirs = asker && { credentials: way.roles.credentialsFor(asker), metadata: appearances.metadataFor(asker) }
  return [
    ...(way.apiKey === undefined && mayAskSts(setup.config, env) ? [['AWS identity', identity(way)] as const] : []),
    ['Bedrock control', keys(way)],
    ...(asker === undefined ? [] : [['role of the user', role(setup, way, asker)] as const]),
    ...[...new Set([...modelsNamed(setup), ...models])].map((id) => [`model ${id}`, dryRun(setup, { ...way, ...theirs }, asker, id, asker && appearances.profileFor(asker, parseModel(id)))] as const),
  ]
}

async function identity(way: WayToAws): Promise<readonly Finding[]> {
  try {
    return [ok(`AWS identity: ${await way.identity()}`)]
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error
    // Without any there is nothing to ask about: that has been told.
    if (error.asked.length > 0) return []
    const isRefused = error.code === 'CREDENTIALS_REFUSED'
    return [(isRefused ? fail : warn)(`AWS identity: ${error.message}`, isRefused ? 'the keys are wrong, or are no longer: make others' : 'see the way to STS: aws.sts_endpoint, aws.proxy_url, firewalls; it matters where roles are assumed')]
  }
}

/** ListFoundationModels costs nothing, and is what many clients begin with. */
async function keys(way: WayToAws): Promise<readonly Finding[]> {
  return told('Bedrock control', () => askAws(way, 'GET', '/foundation-models'), ({ status, type, body }) => {
    if (status === 200) return ok(`Bedrock control: takes the credentials, and lists ${countOf(body)} models`)
    if (status === 403) return warn(`Bedrock control: knows the credentials, but they may not list models (${type})`, 'allow bedrock:ListFoundationModels: some clients ask for it at their start')
    return warn(`Bedrock control: answered ${status} (${type})`, 'see what answers in its place, and aws.region')
  })
}

function countOf(body: Buffer): number {
  try {
    const { modelSummaries } = Object(parseJson(body)) as { readonly modelSummaries?: unknown }
    return Array.isArray(modelSummaries) ? modelSummaries.length : 0
  } catch {
    return 0
  }
}

async function role({ config }: Setup, way: WayToAws, asker: Described): Promise<readonly Finding[]> {
  const session = roleSessionOf(rolesOf(config), asker)
  if (session === undefined) return [ok(`role of ${asker.user}: none, calls are made with the credentials of the proxy`)]
  try {
    await way.roles.credentialsFor(asker).get()
    return [ok(`role of ${asker.user}: ${session.roleArn}, session ${session.sessionName}`)]
  } catch (error) {
    if (!(error instanceof CredentialsError)) throw error
    return [fail(`role of ${asker.user}: ${error.message}`, 'see that the role trusts the proxy: sts:AssumeRole, sts:TagSession for tags, sts:SetSourceIdentity')]
  }
}

/** Models that the policy allows by their whole name. */
function modelsNamed({ config: { policy: { rules } } }: Setup): readonly string[] {
  return rules.filter(({ effect }) => effect === 'allow').flatMap(({ models }) => models ?? []).filter((model) => !model.includes('*'))
}

/** A Converse of nothing: AWS looks at rights and model first, then refuses it, before anything is run or paid for. */
async function dryRun({ rules: { policy } }: Setup, house: CallDependencies & Way, asker: Described | undefined, id: string, profile: string | undefined): Promise<readonly Finding[]> {
  const what = `model ${id}${profile === undefined ? '' : ` by ${profile}`}`
  const decision = asker && policy.decide(asker, 'Converse', [parseModel(id)])
  if (decision?.allow === false) return [ok(`${what}: not for ${asker!.user} (${decision.rule})`)]
  return told(what, () => askAws(house, 'POST', `/model/${encodeURIComponent(profile ?? id)}/converse`, '{}'), ({ status, type, body }) => {
    if (status < 400 || (status === 400 && !/model identifier|on-demand throughput/.test(body.toString('utf8')))) return ok(`${what}: can be called`)
    if (status === 400) return fail(`${what}: AWS does not know it here (${type})`, 'see its spelling, aws.region, and whether it is called by an inference profile only')
    if (status === 403 || status === 404) return fail(`${what}: may not be called (${type})`, 'see bedrock:InvokeModel of the credentials, and that the account has access to the model')
    return warn(`${what}: answered ${status} (${type})`, 'ask again later')
  })
}

async function told(what: string, ask: () => Promise<Told>, finding: (told: Told) => Finding): Promise<readonly Finding[]> {
  try {
    return [finding(await ask())]
  } catch (error) {
    if (error instanceof Refusal && error.code === 'AWS_CREDENTIALS_REFUSED') return [fail(`${what}: AWS refuses the credentials (${error.more.detail})`, 'the keys are wrong, or are no longer; or something between changes requests')]
    // What else can be wrong is told by those who look at credentials and roads.
    if (error instanceof Refusal || error instanceof UpstreamError) return []
    throw error
  }
}

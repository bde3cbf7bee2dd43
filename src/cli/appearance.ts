import { Askers, claimsOf, parseTemplate, type Template } from '../asker/index.ts'
import type { Config } from '../config/index.ts'
import type { RoleRule } from '../credentials/index.ts'
import { ModelPatterns } from '../model/index.ts'
import type { AppearanceRules } from '../proxy/index.ts'
import { issuersOf } from './issuers.ts'

/** The claims that any template needs. */
export function claimsNamed({ aws: { assume_role: role, request_metadata: metadata } }: Config): readonly string[] {
  const templates = [role, ...role.rules].flatMap(({ session_name: name, source_identity: identity, tags }) => [name, identity, ...(tags?.values() ?? [])])
  return [...new Set([...templates, ...metadata.values()].flatMap((template) => (template === undefined ? [] : claimsOf(parsed(template)))))]
}

/** How callers appear to AWS, but for their roles. */
export function appearanceRules({ aws, jwt }: Config): AppearanceRules {
  return {
    metadata: new Map([...aws.request_metadata].map(([key, text]) => [key, parsed(text)])),
    refusesMetadata: aws.client_metadata === 'refuse',
    profiles: aws.profiles.map((row) => ({ askers: new Askers(row, issuerNames(jwt)), models: new ModelPatterns(row.models), arn: row.profile })),
  }
}

/** The roles of callers, the one for everybody else last. */
export function rolesOf({ aws: { assume_role: role }, jwt }: Config): readonly RoleRule[] {
  const { rules, ...everybody } = role
  return [...rules, everybody].flatMap((row) => (row.role_arn === undefined ? [] : [{
    askers: new Askers('users' in row ? row : {}, issuerNames(jwt)),
    roleArn: row.role_arn,
    sessionName: parsed(row.session_name ?? role.session_name),
    sourceIdentity: identityOf(row.source_identity ?? role.source_identity),
    tags: new Map([...(row.tags ?? role.tags)].map(([key, text]) => [key, parsed(text)])),
    durationS: (row.duration ?? role.duration) / 1000,
    externalId: row.external_id ?? role.external_id,
  }]))
}

/** The role of an upstream: for everybody, and called as `aws.assume_role` says. */
export function roleOf({ aws: { assume_role: role } }: Config, roleArn: string): RoleRule {
  return {
    askers: new Askers({}, []), roleArn, sessionName: parsed(role.session_name), sourceIdentity: identityOf(role.source_identity),
    tags: new Map([...role.tags].map(([key, text]) => [key, parsed(text)])), durationS: role.duration / 1000, externalId: role.external_id,
  }
}

const issuerNames = (jwt: Config['jwt']): readonly (string | undefined)[] => issuersOf(jwt).map(([, { issuer }]) => issuer)

/** The configuration holds nothing that is no template. */
const parsed = (text: string): Template => parseTemplate(text)!
const identityOf = (text: string | undefined): Template | undefined => (text === undefined ? undefined : parsed(text))

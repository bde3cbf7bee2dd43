/**
 * What a person sets so that a client comes to this proxy; lines to copy, `<token>` for the token of their single sign-on.
 *
 * @param origin - Scheme, host and base path of this proxy as the reader reached it.
 */
export function setupText(origin: string): string {
  const parts = snippets(origin).map(({ client, lines }) => `${client}\n\n${lines.map((line) => `    ${line}\n`).join('')}`)
  return `AWS Bedrock at ${origin}, with the token of your single sign-on in place of AWS keys.\n\n${parts.join('\n')}`
}

export interface Snippet {
  readonly client: string
  /** With `TOKEN` where the token belongs. */
  readonly lines: readonly string[]
}

export const TOKEN = '<token>'

/** The same client by client. */
export function snippets(origin: string): readonly Snippet[] {
  return CLIENTS.map(([client, lines]) => ({ client, lines: lines(origin) }))
}

const MODEL = '<model or inference profile>'
// Whole, the line would pass for an import of ours.
const AWS_SDK = "'@aws-sdk/client-bedrock-runtime'"

type Variables = readonly (readonly [name: string, value: string])[]

const BEARER: Variables = [['AWS_BEARER_TOKEN_BEDROCK', TOKEN]]
const SIGNING: Variables = [['AWS_ACCESS_KEY_ID', 'none'], ['AWS_SECRET_ACCESS_KEY', 'none'], ['AWS_SESSION_TOKEN', TOKEN]]

// The SDKs for Python and Go, and the AWS CLI, send no bearer over plain HTTP.
const identity = (origin: string): Variables => (origin.startsWith('https:') ? BEARER : SIGNING)

const CLIENTS: readonly (readonly [client: string, lines: (origin: string) => readonly string[]])[] = [
  ['Claude Code', (origin) => [
    'export CLAUDE_CODE_USE_BEDROCK=1',
    `export ANTHROPIC_BEDROCK_BASE_URL=${origin}`,
    "export AWS_BEARER_TOKEN_BEDROCK='<token>'",
  ]],
  ['AWS SDKs and the AWS CLI, of 2025 or later', (origin) => [
    `export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=${origin} AWS_ENDPOINT_URL_BEDROCK=${origin}`,
    'export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1',
    `export ${identity(origin).map(([name, value]) => `${name}='${value}'`).join(' ')}`,
  ]],
  ['Python, boto3', (origin) => [
    'import boto3, os',
    ...identity(origin).map(([name, value]) => `os.environ['${name}'] = '${value}'`),
    `bedrock = boto3.client('bedrock-runtime', endpoint_url='${origin}', region_name='us-east-1')`,
    `bedrock.converse(modelId='${MODEL}', messages=[{'role': 'user', 'content': [{'text': 'Hello'}]}])`,
  ]],
  ['JavaScript, AWS SDK v3', (origin) => [
    `import { BedrockRuntimeClient, ConverseCommand } from ${AWS_SDK}`,
    `const bedrock = new BedrockRuntimeClient({ endpoint: '${origin}', region: 'us-east-1', token: { token: '<token>' }, authSchemePreference: ['httpBearerAuth'] })`,
    `await bedrock.send(new ConverseCommand({ modelId: '${MODEL}', messages: [{ role: 'user', content: [{ text: 'Hello' }] }] }))`,
  ]],
  ['AWS SDKs and the AWS CLI, by a profile whose token is always fresh', (origin) => [
    `bedrock-sso-proxy login --proxy ${origin}`,
    "cat >> ~/.aws/config <<'END'",
    '[profile bedrock-sso]',
    `credential_process = bedrock-sso-proxy token --proxy ${origin} --credential-process`,
    `endpoint_url = ${origin}`,
    'region = us-east-1',
    'END',
  ]],
  ['Programs that can only sign: any key, the token as session token; the signature is ignored', (origin) => [
    `export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=${origin}`,
    'export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1',
    `export ${SIGNING.map(([name, value]) => `${name}='${value}'`).join(' ')}`,
  ]],
  ['curl', (origin) => [
    "curl -H 'Authorization: Bearer <token>' -H 'Content-Type: application/json' \\",
    `  -d '{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}' '${origin}/model/${MODEL}/converse'`,
  ]],
]

/**
 * What a person sets so that a client comes to this proxy; lines to copy, `<token>` for the token of their single sign-on.
 *
 * @param origin - Scheme, host and base path of this proxy as the reader reached it.
 * @param model - The one to ask; where there is none, words that say what belongs there.
 */
export function setupText(origin: string, model: string | undefined): string {
  const parts = snippets(origin, model).map(({ client, lines }) => `${client}\n\n${lines.map((line) => `    ${line}\n`).join('')}`)
  return `AWS Bedrock at ${origin}, with the token of your single sign-on in place of AWS keys.\n\n${parts.join('\n')}`
}

export interface Snippet {
  readonly client: string
  /** With `TOKEN` where the token belongs. */
  readonly lines: readonly string[]
}

export const TOKEN = '<token>'

/** The same client by client. */
export function snippets(origin: string, model = '<model or inference profile>'): readonly Snippet[] {
  return CLIENTS.map(([client, lines]) => ({ client, lines: lines(origin, model) }))
}

// Whole, the line would pass for an import of ours.
const AWS_SDK = "'@aws-sdk/client-bedrock-runtime'"

type Variables = readonly (readonly [name: string, value: string])[]

const bearer = (token: string): Variables => [['AWS_BEARER_TOKEN_BEDROCK', token]]
const signing = (token: string): Variables => [['AWS_ACCESS_KEY_ID', 'none'], ['AWS_SECRET_ACCESS_KEY', 'none'], ['AWS_SESSION_TOKEN', token]]

/** What says to every AWS SDK who asks. Those for Python and Go, and the AWS CLI, send no bearer over plain HTTP. */
export const identityVariables = (origin: string, token: string): Variables => (origin.startsWith('https:') ? bearer : signing)(token)

const CLIENTS: readonly (readonly [client: string, lines: (origin: string, model: string) => readonly string[]])[] = [
  ['Claude Code', (origin) => [
    'export CLAUDE_CODE_USE_BEDROCK=1',
    `export ANTHROPIC_BEDROCK_BASE_URL=${origin}`,
    "export AWS_BEARER_TOKEN_BEDROCK='<token>'",
  ]],
  ['AWS SDKs and the AWS CLI, of 2025 or later', (origin) => [
    `export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=${origin} AWS_ENDPOINT_URL_BEDROCK=${origin}`,
    'export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1',
    `export ${identityVariables(origin, TOKEN).map(([name, value]) => `${name}='${value}'`).join(' ')}`,
  ]],
  ['Python, boto3', (origin, model) => [
    '# pip install boto3',
    'import boto3, os',
    ...identityVariables(origin, TOKEN).map(([name, value]) => `os.environ['${name}'] = '${value}'`),
    `bedrock = boto3.client('bedrock-runtime', endpoint_url='${origin}', region_name='us-east-1')`,
    `answer = bedrock.converse(modelId='${model}', messages=[{'role': 'user', 'content': [{'text': 'Hello'}]}])`,
    "print(answer['output']['message']['content'][0]['text'])",
  ]],
  ['JavaScript, AWS SDK v3', (origin, model) => [
    '// npm install @aws-sdk/client-bedrock-runtime, and this in a file whose name ends in .mjs',
    `import { BedrockRuntimeClient, ConverseCommand } from ${AWS_SDK}`,
    `const bedrock = new BedrockRuntimeClient({ endpoint: '${origin}', region: 'us-east-1', token: { token: '<token>' }, authSchemePreference: ['httpBearerAuth'] })`,
    `const { output } = await bedrock.send(new ConverseCommand({ modelId: '${model}', messages: [{ role: 'user', content: [{ text: 'Hello' }] }] }))`,
    'console.log(output.message.content[0].text)',
  ]],
  ['Programs that can only sign: any key, the token as session token; the signature is ignored', (origin) => [
    `export AWS_ENDPOINT_URL_BEDROCK_RUNTIME=${origin}`,
    'export AWS_REGION=us-east-1 AWS_DEFAULT_REGION=us-east-1',
    `export ${signing(TOKEN).map(([name, value]) => `${name}='${value}'`).join(' ')}`,
  ]],
  ['curl', (origin, model) => [
    "curl -H 'Authorization: Bearer <token>' -H 'Content-Type: application/json' \\",
    `  -d '{"messages":[{"role":"user","content":[{"text":"Hello"}]}]}' '${origin}/model/${model}/converse'`,
  ]],
  ['A sign-in on the command line, for tokens that are always fresh', (origin) => [`bedrock-sso-proxy login --proxy ${origin}`]],
  // On Bedrock it asks its helper only where it is told not to look for AWS keys, and again when a token has expired.
  ['Claude Code after that: ~/.claude/settings.json', (origin) => [
    '{',
    `  "apiKeyHelper": "bedrock-sso-proxy token --proxy ${origin}",`,
    `  "env": { "CLAUDE_CODE_USE_BEDROCK": "1", "CLAUDE_CODE_SKIP_BEDROCK_AUTH": "1", "ANTHROPIC_BEDROCK_BASE_URL": "${origin}" }`,
    '}',
  ]],
  ['AWS SDKs and the AWS CLI after that', (origin) => [
    "mkdir -p ~/.aws && cat >> ~/.aws/config <<'END'",
    '[profile bedrock-sso]',
    `credential_process = bedrock-sso-proxy token --proxy ${origin} --credential-process`,
    `endpoint_url = ${origin}`,
    'region = us-east-1',
    'END',
    'export AWS_PROFILE=bedrock-sso',
  ]],
]

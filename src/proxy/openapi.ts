import { type AnswerKind, type Operation, OPERATIONS } from './operations.ts'

/** The door as an OpenAPI 3.1 document, made from the table of operations. Bodies are AWS's and described by AWS. */
export function openApi(): object {
  const paths: Record<string, Record<string, object>> = {}
  // OpenAPI has no words for WebSockets.
  for (const operation of OPERATIONS.filter(({ webSocket }) => webSocket === undefined)) {
    // A path template knows no label that goes on over slashes.
    const path = operation.path.replace('+}', '}')
    paths[path] = { ...paths[path], [operation.method.toLowerCase()]: described(operation, path) }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'bedrock-sso-proxy', version: '1', description: 'AWS Bedrock for holders of a token of single sign-on. Requests and answers are those of AWS, byte for byte.' },
    security: [{ token: [] }, { key: [] }],
    paths,
    components: {
      securitySchemes: {
        token: { type: 'http', scheme: 'bearer', bearerFormat: 'JWT' },
        key: { type: 'apiKey', in: 'header', name: 'x-api-key', description: 'The same token, for clients that know no other header.' },
      },
      responses: { problem: { description: 'Refused or failed.', headers: { 'x-amzn-ErrorType': { schema: { type: 'string' } }, 'x-amzn-RequestId': { schema: { type: 'string' } } }, content: json(PROBLEM) } },
    },
  }
}

const PROBLEM = {
  type: 'object', required: ['message'],
  properties: {
    message: { type: 'string' }, type: { const: 'error' },
    error: { type: 'object', required: ['type', 'message'], properties: { type: { type: 'string' }, message: { type: 'string' } } },
  },
}

const json = (schema: object): object => ({ 'application/json': { schema } })

const EVENTS = { 'application/vnd.amazon.eventstream': {} }

const ANSWERS: Readonly<Record<AnswerKind, object>> = {
  whole: json({}),
  eventstream: { ...EVENTS, 'text/event-stream': {} },
  conversation: EVENTS,
  any: { ...json({}), 'text/event-stream': {} },
  own: json({}),
}

function described({ name, method, answer, path: template }: Operation, path: string): object {
  const labels = [...path.matchAll(/\{(\w+)\}/g)].map(([, label]) => ({ name: label, in: 'path', required: true, schema: { type: 'string' } }))
  const surface = template.includes('+}') ? `${method.toLowerCase()}${name}` : name
  return {
    operationId: surface,
    ...(labels.length > 0 && { parameters: labels }),
    ...(method === 'POST' && { requestBody: { content: answer === 'conversation' ? EVENTS : json({}) } }),
    responses: { 200: { description: answer === 'own' ? 'The answer of the proxy itself.' : 'The answer of AWS.', content: ANSWERS[answer] }, default: { $ref: '#/components/responses/problem' } },
  }
}

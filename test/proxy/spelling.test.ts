import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ask, PROTOCOLS } from '../kit/client.ts'
import { startPair, token } from '../kit/proxy.ts'

const { bedrock, proxy } = await startPair()

const send = (path: string, method = 'POST', protocol: (typeof PROTOCOLS)[number] = 'HTTP/1.1') =>
  ask(protocol, proxy.port, path, { method, headers: { authorization: `Bearer ${token()}` }, ...(method === 'POST' && { body: '{}' }) })

const PROFILE = 'arn%3Aaws%3Abedrock%3Aus-east-1%3A111122223333%3Aapplication-inference-profile%2Fabc123'

/** Spellings of a request target, and the one that arrives. */
const SPELLINGS: readonly (readonly [spelt: string, sent: string, method?: string])[] = [
  ['/model/amazon.nova-lite-v1:0/invoke', '/model/amazon.nova-lite-v1%3A0/invoke'],
  ['/model/amazon.nova-lite-v1%3A0/invoke', '/model/amazon.nova-lite-v1%3A0/invoke'],
  ['/model/amazon.nova-lite-v1%3a0/invoke', '/model/amazon.nova-lite-v1%3A0/invoke'],
  ['/model/%61mazon.nova-lite-v1:0/converse', '/model/amazon.nova-lite-v1%3A0/converse'],
  ['/model/arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/abc123/invoke', `/model/${PROFILE}/invoke`],
  ['/model/arn:aws:bedrock:us-east-1:111122223333:application-inference-profile%2Fabc123/converse-stream', `/model/${PROFILE}/converse-stream`],
  [`/model/${PROFILE}/invoke-with-response-stream`, `/model/${PROFILE}/invoke-with-response-stream`],
  ["/model/a!b'c(d)e*f~g/invoke", '/model/a%21b%27c%28d%29e%2Af~g/invoke'],
  ['/model/m%C3%A9/invoke', '/model/m%C3%A9/invoke'],
  ['/model/a%20b+c/invoke', '/model/a%20b%2Bc/invoke'],
  ['/model/x/invoke?access_token=hidden', '/model/x/invoke'],
  ['/guardrail/arn:aws:bedrock:us-east-1:1:guardrail/abc/version/DRAFT/apply', '/guardrail/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aguardrail%2Fabc/version/DRAFT/apply'],
  ['/guardrail-checks/invoke', '/guardrail-checks/invoke'],
  ['/async-invoke', '/async-invoke'],
  ['/async-invoke?statusEquals=Completed&maxResults=5&nextToken=a%2fb+c%3D%3D', '/async-invoke?maxResults=5&nextToken=a%2Fb%2Bc%3D%3D&statusEquals=Completed', 'GET'],
  ['/async-invoke/arn:aws:bedrock:us-east-1:1:async-invoke/abc', '/async-invoke/arn%3Aaws%3Abedrock%3Aus-east-1%3A1%3Aasync-invoke%2Fabc', 'GET'],
  ['/inference-profiles?type=SYSTEM_DEFINED', '/inference-profiles?type=SYSTEM_DEFINED', 'GET'],
  [`/inference-profiles/${PROFILE}`, `/inference-profiles/${PROFILE}`, 'GET'],
  ['/foundation-models?byProvider=anthropic', '/foundation-models?byProvider=anthropic', 'GET'],
  ['/foundation-models/amazon.nova-lite-v1:0', '/foundation-models/amazon.nova-lite-v1%3A0', 'GET'],
  ['/openai/v1/chat/completions', '/openai/v1/chat/completions'],
  ['/anthropic/v1/messages?beta=true', '/anthropic/v1/messages?beta=true'],
  ['/mantle/v1/models', '/v1/models', 'GET'],
  ['/mantle/openai/v1/responses', '/openai/v1/responses'],
]

for (const protocol of PROTOCOLS) {
  for (const [spelt, sent, method] of SPELLINGS) {
    test(`${method ?? 'POST'} ${spelt} arrives as ${sent}, rightly signed, over ${protocol}`, async () => {
      const got = await send(spelt, method, protocol)
      const seen = bedrock.seen.at(-1)!
      assert.equal(got.status, 200)
      assert.equal(seen.target, sent)
      assert.ok('service' in seen.signature)
      assert.equal(seen.signature.service, /^\/(?:anthropic|mantle)\//.test(spelt) ? 'bedrock-mantle' : 'bedrock')
    })
  }
}

/** Targets that reach nobody, with what the client is told. */
const REFUSED: readonly (readonly [target: string, status: number, type: string, method?: string])[] = [
  ['/model/a%253A0/invoke', 400, 'ValidationException'],
  ['/model/%2e%2e/invoke', 400, 'ValidationException'],
  ['/model/../x/invoke', 400, 'ValidationException'],
  ['/model/arn:aws:x/../y/invoke', 400, 'ValidationException'],
  ['/model/a/b/invoke', 400, 'ValidationException'],
  ['/model/x/invoke/converse', 400, 'ValidationException'],
  ['/model/a%00/invoke', 400, 'ValidationException'],
  ['/model/a%5cb/invoke', 400, 'ValidationException'],
  ['/model/a%0d%0ab/invoke', 400, 'ValidationException'],
  ['/model/a%zz/invoke', 400, 'ValidationException'],
  ['//model/x/invoke', 400, 'ValidationException'],
  ['http://evil.example/model/x/invoke', 400, 'ValidationException'],
  ['/foundation-models?X-Amz-Date=1', 400, 'ValidationException', 'GET'],
  ['/model/x/invoke/', 404, 'UnknownOperationException'],
  ['/model/x/train', 404, 'UnknownOperationException'],
  ['/Model/x/invoke', 404, 'UnknownOperationException'],
  ['/', 405, 'UnknownOperationException'],
  ['/model/x/invoke', 405, 'UnknownOperationException', 'GET'],
  ['/model/x/invoke', 405, 'UnknownOperationException', 'DELETE'],
  ['/inference-profiles', 405, 'UnknownOperationException', 'POST'],
  ['/guardrails', 404, 'UnknownOperationException', 'GET'],
]

for (const [target, status, type, method] of REFUSED) {
  test(`${method ?? 'POST'} ${target} is answered ${status} ${type} and reaches nobody`, async () => {
    const before = bedrock.seen.length
    const got = await send(target, method)
    assert.equal(got.status, status)
    assert.equal(got.headers['x-amzn-errortype'], type)
    assert.equal(bedrock.seen.length, before)
  })
}

test('a wrong method is told the right one', async () => {
  assert.equal((await send('/model/x/invoke', 'PUT')).headers.allow, 'POST')
  assert.equal((await send('/async-invoke', 'PUT')).headers.allow, 'POST, GET')
})

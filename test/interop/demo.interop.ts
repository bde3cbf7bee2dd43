import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { issuerNames } from '../kit/watch.ts'
import { browserContext, CHROMIUM } from './kit/chromium.ts'
import { Typed } from './kit/command.ts'
import { PYTHON } from './kit/python.ts'
import { Person } from './kit/people.ts'

/** `demo --sso` as somebody new uses it: with its own provider, and what its pages show, as it is. */

const home = mkdtempSync(join(tmpdir(), 'interop-demo-'))
const ENV = { XDG_CONFIG_HOME: home }
const TEXT = 'This is not a model. It only looks like one, so that you can try the proxy without an AWS account.'
const demo = new Typed(['demo', '--sso', '--port', '0'], ENV)
let url = ''

before(async () => {
  url = await demo.shows(/^A proxy on (http:\S+),/m)
  const { issuer } = await (await fetch(`${url}/.well-known/bedrock-sso-proxy`)).json() as { issuer: string }
  issuerNames([issuer])
})

after(async () => {
  demo.interrupt()
  assert.equal(await demo.ended(), 0, demo.err)
  rmSync(home, { recursive: true })
})

async function call(token: string, model = 'us.anthropic.claude-opus-5-5'): Promise<number> {
  const { status } = await fetch(`${url}/model/${model}/converse`, { method: 'POST', headers: { authorization: `Bearer ${token}` }, body: '{"messages":[{"role":"user","content":[{"text":"Hello?"}]}]}' })
  return status
}

const tokenIn = (page: string): string => /<span>([^<]+)</.exec(page)![1]!

test('whoever says to be in the group may use models, others may not, and nobody may use those of others', async () => {
  const [member, guest] = await Promise.all([new Person('bob').visit(`${url}/sign-in`, { name: 'bob' }), new Person('eve').visit(`${url}/sign-in`, { name: 'eve', group: '' })])
  for (const words of ['<bdi>bob</bdi>', '<bdi>engineering</bdi>', 'US dollars a day', 'anthropic.claude-*']) assert.ok(member.text.includes(words), words)
  const statuses = [call(tokenIn(member.text)), call(tokenIn(member.text), 'meta.llama3-8b-instruct-v1:0'), call(tokenIn(guest.text))]
  assert.deepEqual(await Promise.all(statuses), [200, 403, 403])
})

test('in a browser: sign in, copy the lines for Python, and they work as they are; sign out, and be somebody else', { skip: CHROMIUM === undefined && 'there is no Chromium' }, async () => {
  const context = await browserContext({ permissions: ['clipboard-read', 'clipboard-write'], viewport: { width: 1000, height: 1400 } })
  const page = await context.newPage()
  const picture = async (name: string) => { if (process.env.PICTURES !== undefined) await page.screenshot({ path: join(process.env.PICTURES, `demo-${name}.png`), fullPage: true }) }
  const asked: string[] = []
  page.on('request', (request) => asked.push(request.url()))
  await page.goto(`${url}/`)
  await page.getByText('Sign in').click()
  await picture('provider')
  await page.getByRole('button').click()
  await page.waitForURL(`${url}/`)
  assert.equal(await page.locator('p b').innerText(), 'alice')
  await picture('page')
  assert.ok((await page.locator('pre span').first().boundingBox())!.height < 30, 'a token is shown in one line')
  const section = page.locator('section', { hasText: 'boto3' })
  await section.getByRole('button').click()
  await section.getByText('Copied').waitFor()
  const { stdout } = await promisify(execFile)(PYTHON, ['-c', await page.evaluate(() => navigator.clipboard.readText())], { env: {} })
  assert.equal(stdout, `${TEXT}\n`)
  await page.getByText('Sign out').click()
  await page.getByText('Sign in').click()
  await page.fill('[name=name]', 'carol')
  await page.getByRole('button').click()
  await page.waitForURL(`${url}/`)
  assert.equal(await page.locator('p b').innerText(), 'carol')
  assert.deepEqual([...new Set(asked.map((one) => new URL(one).hostname))], ['127.0.0.1'])
})

for (const [way, args, address, answers] of [
  ['in a browser', [], /^ {2}(http\S+)$/m, {}],
  ['on another device', ['--device'], /^or open (\S+) and compare/m, { confirm: 'yes' }],
] as const) {
  test(`login ${way}, and a token that opens the proxy`, async () => {
    const login = new Typed(['login', '--proxy', url, ...args], ENV)
    const { text } = await new Person('dave').visit(await login.shows(address), { name: 'dave', ...answers })
    assert.match(text, /You can close this window, and go on in the terminal\./)
    assert.equal(await login.ended(), 0, login.err)
    assert.match(login.out, /^Signed in as dave until \S+, and then anew by itself\.$/m)
    const token = new Typed(['token', '--proxy', url], ENV)
    assert.equal(await token.ended(), 0, token.err)
    assert.equal(await call(token.out.trim()), 200)
  })
}

test('token --env is all that a shell needs for boto3', async () => {
  const token = new Typed(['token', '--proxy', url, '--env'], ENV)
  assert.equal(await token.ended(), 0, token.err)
  const asks = "import boto3; print(boto3.client('bedrock-runtime').converse(modelId='amazon.nova-lite-v1:0', messages=[{'role': 'user', 'content': [{'text': 'Hello'}]}])['output']['message']['content'][0]['text'])"
  const { stdout } = await promisify(execFile)('sh', ['-c', `${token.out}exec "$0" -c "$1"`, PYTHON, asks], { env: {} })
  assert.equal(stdout, `${TEXT}\n`)
})

test('what the demo prints to be pasted works as it is', async () => {
  const lines = demo.out.split('\n\n').find((block) => block.startsWith('export TOKEN='))!
  const path = demo.out.match(/^export PATH=.*$/m)![0]
  const { stdout } = await promisify(execFile)('sh', ['-c', `${path}\n${lines}`], { env: { ...ENV, PATH: process.env.PATH } })
  assert.ok(stdout.includes(TEXT), stdout)
})

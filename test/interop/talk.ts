// Says a text to a model that holds conversations, through a proxy, over each way in, and prints what comes back.
import { parseArgs } from 'node:util'
import { BedrockRuntimeClient, InvokeModelWithBidirectionalStreamCommand } from '@aws-sdk/client-bedrock-runtime'
import { WebSocket } from 'ws'

const { values: { model, say }, positionals: [url = 'http://127.0.0.1:3000'] } = parseArgs({
  allowPositionals: true,
  options: { model: { type: 'string', default: 'amazon.nova-2-sonic-v1:0' }, say: { type: 'string', default: 'Hello' } },
})
const token = process.env.TOKEN
if (token === undefined) throw new Error('the token is expected in TOKEN')

type Event = Readonly<Record<string, unknown>>

/** What both sides hear of each other until the model has answered. */
interface Wire {
  send(event: Event): void
  /** No more will be sent. */
  end(): void
}

const AUDIO = { mediaType: 'audio/lpcm', sampleRateHertz: 24_000, sampleSizeBits: 16, channelCount: 1, encoding: 'base64', audioType: 'SPEECH' }
const prompt = { promptName: 'prompt' }
const [system, user] = [{ ...prompt, contentName: 'system' }, { ...prompt, contentName: 'user' }]
const textBlock = { type: 'TEXT', textInputConfiguration: { mediaType: 'text/plain' } }
const BEGINNING: readonly Event[] = [
  { sessionStart: { inferenceConfiguration: { maxTokens: 1024, topP: 0.9, temperature: 0.7 } } },
  { promptStart: { ...prompt, textOutputConfiguration: { mediaType: 'text/plain' }, audioOutputConfiguration: { ...AUDIO, voiceId: 'matthew' } } },
  { contentStart: { ...system, ...textBlock, interactive: false, role: 'SYSTEM' } },
  { textInput: { ...system, content: 'You are a friend. Answer in a sentence or two.' } },
  { contentEnd: system },
  { contentStart: { ...user, ...textBlock, interactive: true, role: 'USER' } },
  { textInput: { ...user, content: say } },
  { contentEnd: user },
]
const ENDING: readonly Event[] = [{ promptEnd: prompt }, { sessionEnd: {} }]

/** Prints an event of the model, and says goodbye when its turn is over. */
function hear({ event }: { readonly event: Readonly<Record<string, { readonly content?: string; readonly stopReason?: string }>> }, wire: Wire): void {
  const [[name, { content, stopReason }]] = Object.entries(event) as [[string, { content?: string; stopReason?: string }]]
  if (name === 'textOutput') process.stdout.write(`  ${content}\n`)
  else console.log(name, stopReason ?? '')
  if (name !== 'contentEnd' || stopReason !== 'END_TURN') return
  for (const event of ENDING) wire.send(event)
  wire.end()
}

/** As the AWS SDKs do it, over HTTP/2: they sign with keys, any will do. */
async function bySdk(): Promise<void> {
  const credentials = { accessKeyId: 'AKIDOFNOBODY', secretAccessKey: 'of nobody', sessionToken: token! }
  const client = new BedrockRuntimeClient({ region: 'us-east-1', endpoint: url, credentials })
  const said = [...BEGINNING]
  let over = false
  let wake = (): void => undefined
  const wire: Wire = { send: (event) => { said.push(event); wake() }, end: () => { over = true; wake() } }
  async function* events() {
    while (!over || said.length > 0) {
      for (const event of said.splice(0)) yield { chunk: { bytes: Buffer.from(JSON.stringify({ event })) } }
      if (!over) await new Promise<void>((resolve) => { wake = resolve })
    }
  }
  const { body } = await client.send(new InvokeModelWithBidirectionalStreamCommand({ modelId: model, body: events() }))
  for await (const { chunk } of body!) hear(JSON.parse(Buffer.from(chunk!.bytes!).toString()), wire)
  client.destroy()
}

/** As browsers do it: JSON as text, the token among the subprotocols. */
async function byWebSocket(): Promise<void> {
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/model/${model}/invoke-with-bidirectional-stream`, ['bedrock', `bearer.${token}`])
  const wire: Wire = { send: (event) => socket.send(JSON.stringify({ event })), end: () => socket.close(1000) }
  socket.on('open', () => BEGINNING.forEach(wire.send)).on('message', (data) => hear(JSON.parse(data.toString()), wire))
  await new Promise<void>((resolve, reject) => socket.on('error', reject).on('close', (code) => { console.log('closed with', code); resolve() }))
}

for (const [way, talk] of Object.entries({ 'the AWS SDK': bySdk, 'a WebSocket': byWebSocket })) {
  console.log(`\n${way}: ${say}`)
  await talk()
}

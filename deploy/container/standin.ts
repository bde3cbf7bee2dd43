/** The stand-in for Bedrock by itself, for compose.yaml: with the port, the region and the keys of the environment. */
import { startStandIn } from '../../src/demo/index.ts'

const { PORT, AWS__REGION: region = '', AWS_ACCESS_KEY_ID: accessKeyId = '', AWS_SECRET_ACCESS_KEY: secretAccessKey = '' } = process.env
const { url, close } = await startStandIn({ port: Number(PORT), region, accessKeyId, secretAccessKey, wordMs: 120 })
process.stdout.write(`a stand-in for Bedrock on ${url}\n`)
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.on(signal, () => void close())

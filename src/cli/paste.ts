const MODEL = 'anthropic.claude-3-haiku-20240307-v1:0'
const TALKING_MODEL = 'amazon.nova-2-sonic-v1:0'
/** Of the line that is pasted, into a Node of its own: nothing in this program may make one. */
const CLIENT = 'WebSocket'

/** Calls of the demo to try, each as it is, with a token that was made for them. */
export function callsToPaste(url: string, token: string): string {
  return `A token for "alice", good for an hour:

export TOKEN=${token}

A call, answered at once:

${call(url, 'invoke')}

The same as server-sent events, word by word:

${call(url, 'invoke-with-response-stream', "-N -H 'Accept: text/event-stream' ")}

The same in the frames that the AWS SDKs read:

${call(url, 'invoke-with-response-stream', '-N --output - ')}

A conversation on a WebSocket, with Node 22 or later:

node -e '
  const socket = new ${CLIENT}("${url.replace('http', 'ws')}/model/${TALKING_MODEL}/invoke-with-bidirectional-stream", ["bedrock", "bearer." + process.env.TOKEN])
  socket.onopen = () => socket.send(JSON.stringify({ event: { textInput: { content: "Hello" } } }))
  socket.onmessage = ({ data }) => { console.log(data); if (data.includes("END_TURN")) socket.close() }'

Without a token:

curl -i -X POST ${url}/model/${MODEL}/invoke
`
}

/**
 * The ways to sign in that the demo has, each as it is.
 *
 * @param bin - The folder with this program.
 */
export function signInToPaste(url: string, bin: string): string {
  return `Sign in with a name that you make up, and copy what your client needs:

${url}/

Or in another terminal, with --device where no browser is to open:

export PATH="${bin}:$PATH"
bedrock-sso-proxy login --proxy ${url}

A call with a token that is fresh each time:

export TOKEN=$(bedrock-sso-proxy token --proxy ${url})
${call(url, 'invoke')}
`
}

function call(url: string, operation: string, more = ''): string {
  return `curl ${more}-H "Authorization: Bearer $TOKEN" -d '{"max_tokens":100,"anthropic_version":"bedrock-2023-05-31","messages":[{"role":"user","content":"Hello"}]}' \\\n  ${url}/model/${MODEL}/${operation}`
}

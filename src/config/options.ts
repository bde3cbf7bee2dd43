import { appearance } from './appearance.ts'
import { jwt } from './jwt.ts'
import { boolean, choice, duration, endpoint, list, modelPattern, path, profileName, proxyUrl, region, secret, text, usd } from './kinds.ts'
import { limits } from './limits.ts'
import { admin, audit, logging } from './observation.ts'
import { rows } from './rows.ts'
import type { Options } from './schema.ts'
import { server } from './server.ts'
import { sso } from './sso.ts'
import { upstreams } from './upstreams.ts'

/** The way to Bedrock, and the keys for it. */
const aws = {
  'aws.region': { kind: region, reload: 'restart', variables: ['AWS_REGION', 'AWS_DEFAULT_REGION'],
    text: 'Region of Bedrock, and what requests are signed for; without it the one that the profile names. There is no other default.',
    wrong: 'A region without the model: AWS answers 400 or 404. Not that of `aws.endpoint`: 503, for AWS refuses the signature.' },
  'aws.endpoint': { kind: endpoint, reload: 'restart',
    text: 'Endpoint of the Bedrock runtime, instead of the one of the region; for VPC endpoints. The other services of Bedrock go there too, unless they are given their own: nothing goes to a public host beside it. Without it what the SDKs would take: `AWS_ENDPOINT_URL_BEDROCK_RUNTIME`, `AWS_ENDPOINT_URL`, the `services` and `endpoint_url` of the profile (none of them with `AWS_IGNORE_CONFIGURED_ENDPOINT_URLS`); those that lead to this very proxy are for its clients, and are passed over.',
    wrong: 'Another host than thought: it reads every prompt. The proxy by a name that it does not know for its own: 503.' },
  'aws.control_endpoint': { kind: endpoint, reload: 'restart',
    text: 'Endpoint of the Bedrock control plane; without it `aws.endpoint`, else what the SDKs would take (`AWS_ENDPOINT_URL_BEDROCK` and the like), else the one of the region.',
    wrong: 'Not reachable: clients cannot list models, and some do not start.' },
  'aws.mantle_endpoint': { kind: endpoint, reload: 'restart',
    text: 'Endpoint of Bedrock Mantle; without it `aws.endpoint`, else what the SDKs would take (`AWS_ENDPOINT_URL_BEDROCK_MANTLE` and the like), else the one of the region.',
    wrong: 'Another host than thought: it reads every prompt of the Anthropic and Mantle paths.' },
  'aws.sts_endpoint': { kind: endpoint, reload: 'restart',
    text: 'Endpoint of STS, which gives credentials of roles; without it what the SDKs would take (`AWS_ENDPOINT_URL_STS` and the like), else the one of the region.',
    wrong: 'Not reachable: no role has credentials, 503.' },
  'aws.fips': { kind: boolean, default: 'false', reload: 'restart',
    text: 'Use the FIPS endpoints of the region. Where it is not given, `AWS_USE_FIPS_ENDPOINT` or `use_fips_endpoint` of the profile counts.',
    wrong: 'A region without them: the host is not found, 503.' },
  'aws.dual_stack': { kind: boolean, default: 'false', reload: 'restart',
    text: 'Use the endpoints of the region that have IPv6 addresses too. Where it is not given, `AWS_USE_DUALSTACK_ENDPOINT` or `use_dualstack_endpoint` of the profile counts.',
    wrong: 'A region without them: the host is not found, 503.' },
  'aws.require_private_endpoint': { kind: boolean, default: 'false', reload: 'restart',
    text: 'Connect to private addresses only (RFC 1918 and the like, unique local IPv6), for Bedrock, STS and all else of AWS: a host that is, or whose name has, a public address is refused with 503, `UPSTREAM_PUBLIC_ADDRESS` in the log. With `aws.proxy_url` the address of that proxy is looked at, for it alone is dialled.',
    wrong: 'On without VPC endpoints and their private DNS names, or with endpoints whose IPv6 addresses are global: every request is answered 503.' },
  'aws.ca_file': { kind: path, reload: 'restart',
    text: 'PEM file with the only authorities trusted on the way to AWS; without it those that Node brings.',
    wrong: 'Without the authority of the endpoint: every request is answered 503.' },
  'aws.profile': { kind: profileName, reload: 'restart', variables: ['AWS_PROFILE'],
    text: 'Profile of the shared AWS files (`~/.aws/config`, `~/.aws/credentials`) to take credentials and region from, where nothing nearer gives them; without it `default`.',
    wrong: 'In neither file: every request is answered 503.' },
  'aws.allow_credential_process': { kind: boolean, default: 'false', reload: 'restart',
    text: 'Whether a profile may name a program (`credential_process`) that is run, without a shell, for the credentials that it prints.',
    wrong: 'Off beside such a profile: every request is answered 503. On: who can write the AWS files of this user runs programs as the proxy.' },
  'aws.access_key_id': { kind: secret, reload: 'restart',
    text: 'Access key of the proxy. A role (instance, container, profile) is better: nothing to steal, nothing to rotate.',
    wrong: 'Unknown to AWS: every request is answered 503.' },
  'aws.secret_access_key': { kind: secret, reload: 'restart',
    text: 'Secret of the access key.',
    wrong: 'Of another key: every request is answered 503.' },
  'aws.session_token': { kind: secret, reload: 'restart',
    text: 'Session token of a temporary access key.',
    wrong: 'Expired, or of another key: every request is answered 503.' },
  ...upstreams,
  ...appearance,
  'aws.proxy_url': { kind: proxyUrl, reload: 'restart',
    text: 'HTTP proxy through which everything goes to AWS, by CONNECT: Bedrock, and STS for credentials; an https:// one shows a certificate that `aws.ca_file` trusts, and `unix:/path` is one on a Unix socket, for a proxy that may use no network. Hosts nearby (loopback, link-local, the metadata services) are reached without it. No variable such as `HTTPS_PROXY` has a say.',
    wrong: 'Not reachable, or it refuses: every request is answered 503, and the log names its status.' },
  'aws.timeouts.connect': { kind: duration('1ms', '10m'), default: '5s', reload: 'restart',
    text: 'Time for a connection to AWS, the tunnel of a proxy and TLS included.',
    wrong: 'Too long: clients wait for a host that is gone, and retry late.' },
  'aws.timeouts.first_byte': { kind: duration('1ms', '1h'), default: '120s', reload: 'restart',
    text: 'Time from the sent request to the first byte of the answer.',
    wrong: 'Too short: long answers that do not stream end in 408, and are paid for.' },
  'aws.timeouts.idle': { kind: duration('1ms', '1h'), default: '300s', reload: 'restart',
    text: 'Longest pause between two bytes of an answer; a moving stream has no limit.',
    wrong: 'Too short: a model that thinks long is cut off, and paid for.' },
} as const satisfies Options

/** Conversations: InvokeModelWithBidirectionalStream. */
const bidirectional = {
  'bidirectional.models': { kind: list(modelPattern, 0), default: 'amazon.nova-sonic-*,amazon.nova-*-sonic-*', reload: 'restart',
    text: 'Models that may be spoken with, `*` for any characters; ids count as they are asked for, ARNs too. Any other is answered 403.',
    wrong: 'Wider than the models that hold conversations: AWS answers 400.' },
  'bidirectional.session_timeout': { kind: duration('1s', '1h'), default: '8m', reload: 'restart',
    text: 'How long AWS lets a session last; credentials are renewed that would not last as long, and a session that AWS has not ended 30s later ends.',
    wrong: 'Shorter than the sessions of AWS: conversations are cut.' },
  'bidirectional.ping_interval': { kind: duration('50ms', '10m'), default: '20s', reload: 'restart',
    text: 'How often a client on a WebSocket is asked whether it is still there; one that says nothing until the next time is let go.',
    wrong: 'Longer than the idle timeout of a load balancer in front: quiet conversations are cut.' },
} as const satisfies Options

const effect = choice('allow', 'deny')
const geography = text('geography', 'a geography such as eu, us-gov or global, or in-region', /^[a-z]{2,6}(-[a-z]+)?$/)

/** Who may use which model. */
const policy = {
  'policy.default': { kind: effect, reload: 'live',
    text: 'What holds where no rule applies; without it `allow` while there is no rule, `deny` once there is one.',
    wrong: '`allow` beside rules that allow: they change nothing.' },
  'policy.rules': { default: '', reload: 'live',
    kind: rows({
      users: { kind: list(text()), reload: 'live',
        text: 'Users that the rule is for, as `user` or `issuer|user`; with several issuers only the latter. Without it everybody.',
        wrong: 'Not what tokens call the user: the rule never applies.' },
      groups: { kind: list(text()), reload: 'live',
        text: 'Groups that it is for, as `group` or, of one issuer only, `issuer|group`; any one of the caller is enough.',
        wrong: 'A group of another issuer with the same name: its people are meant too.' },
      operations: { kind: list(text('operation', 'the name of an operation')), reload: 'live',
        text: 'Operations that it is for, such as `Converse`; `openapi` prints their names. Without it all.',
        wrong: 'No name of an operation: the start fails. `ConverseStream` left out beside `Converse`: it does the same, and the rule is not for it.' },
      models: { kind: list(modelPattern), reload: 'live',
        text: 'Models that it is for, `*` for any characters: an id names the model in every spelling and geography, `eu.anthropic.*` in one, an ARN what has no other name. Without it all, and operations without a model.',
        wrong: 'A pattern that fits nothing: what should be denied is not. What is behind the ARN of a profile, a prompt or an own model is unknown: unless it is named, it is not allowed by a rule with this condition, and denied by one.' },
      geographies: { kind: list(geography), reload: 'live',
        text: 'Where the model may run, as the id says: `us`, `us-gov`, `eu`, `apac`, `jp`, `au`, `global`…, and `in-region` for ids and ARNs of the region itself.',
        wrong: '`in-region` left out: ids without a geography are not meant.' },
      effect: { kind: effect, required: true, reload: 'live',
        text: 'What the rule does where all its conditions hold.',
        wrong: 'The wrong one of two.' },
    }),
    text: 'Rules, in their order; the first that applies decides. `explain` shows which one that is.',
    wrong: 'A wide rule before a narrow one: the narrow one never decides.' },
} as const satisfies Options

const price = usd(100_000)

/** What tokens cost. */
const pricing = {
  pricing: { default: '', reload: 'live',
    kind: rows({
      models: { kind: list(modelPattern), required: true, reload: 'live',
        text: 'Models with these prices, as in `policy.rules[].models`.',
        wrong: 'Too wide: dear models are counted as cheap ones.' },
      input: { kind: price, required: true, reload: 'live', text: 'USD per million input tokens, cached ones not among them.', wrong: 'Per thousand: costs are a thousandth of the bill.' },
      output: { kind: price, required: true, reload: 'live', text: 'USD per million output tokens.', wrong: 'Per thousand: costs are a thousandth of the bill.' },
      cache_read: { kind: price, reload: 'live', text: 'USD per million tokens read from the cache; without it those of `input`.', wrong: 'Left out: cached prompts are counted as dear as others.' },
      cache_write: { kind: price, reload: 'live', text: 'USD per million tokens written to the cache; without it those of `input`.', wrong: 'Left out: they are counted a little too cheap.' },
    }),
    text: 'Prices of models; the first row that names a model counts. A model in no row has unknown costs, which no budget in USD counts.',
    wrong: 'Out of date: costs differ from the bill of AWS.' },
} as const satisfies Options

/** All options, in the order of the documentation. */
export const options = { ...server, ...jwt, ...aws, ...bidirectional, ...policy, ...limits, ...pricing, ...admin, ...audit, ...logging, ...sso }

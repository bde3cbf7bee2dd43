import { choice, duration, integer, path, redisUrl, secret, usd } from './kinds.ts'
import { namedRows, section } from './rows.ts'
import type { Columns } from './rows.ts'
import type { Option } from './schema.ts'

const count = integer(1, 1_000_000)
const tokens = integer(1, 1_000_000_000_000)
const money = usd(1_000_000_000)

const columns = {
  requests_per_minute: { kind: count, reload: 'live',
    text: 'Requests per minute.',
    wrong: 'Too small: clients get 429, wait, and ask again.' },
  burst: { kind: count, reload: 'live',
    text: 'How many of them may come at once after a rest; without it those of a whole minute.',
    wrong: 'Too small: clients that ask several things at once get 429.' },
  concurrent: { kind: count, reload: 'live',
    text: 'Requests at once, open streams among them.',
    wrong: 'Fewer than the agents that one person runs: some of them get 429.' },
  tokens_per_minute: { kind: integer(1, 1_000_000_000), reload: 'live',
    text: 'Input and output tokens per minute.',
    wrong: 'Less than one large prompt with its answer: it is admitted, and nothing beside it.' },
  tokens_per_day: { kind: tokens, reload: 'live',
    text: 'Input and output tokens per day of UTC; what a cache gave or took is not among them.',
    wrong: 'Used up: clients get 400 until midnight.' },
  tokens_per_month: { kind: tokens, reload: 'live',
    text: 'The same per month.',
    wrong: 'Used up: clients get 400 until the first.' },
  usd_per_day: { kind: money, reload: 'live',
    text: 'US dollars per day of UTC, at the prices of `pricing`.',
    wrong: 'A model without a price: it counts as free.' },
  usd_per_month: { kind: money, reload: 'live',
    text: 'The same per month.',
    wrong: 'A model without a price: it counts as free.' },
} as const satisfies Columns

/** How much each caller may use. Each limit for itself: the user's own, else the most generous of his groups, else the default, else none. */
export const limits = {
  'limits.store': { kind: choice('memory', 'journal', 'redis'), default: 'memory', reload: 'restart',
    text: 'Where it is counted what callers use: in memory; in a journal as well, so that days and months outlive the process; or in a Redis or Valkey, where several proxies have one count.',
    wrong: '`memory`: each restart gives everybody a new day and a new month. Several proxies without `redis`: each gives everybody all of it.' },
  'limits.path': { kind: path, reload: 'restart',
    text: 'The file of the journal, in a folder that the proxy can write to. One process has it; killed, it loses what ended in its last 10 ms, and the calls in flight.',
    wrong: 'Not writable, damaged, or another process has it: the start fails.' },
  'limits.url': { kind: redisUrl, reload: 'restart',
    text: 'The Redis (7 or later) or Valkey of the limits: `redis://host:6379`, with TLS `rediss://`, with a database `/1` behind it, with a user and password before the host.',
    wrong: 'Not reachable: as `limits.fail` says. One without a file of its own (`appendonly no`): its restart gives everybody a new day and a new month. One that makes room by forgetting (`maxmemory-policy` other than `noeviction`): so does that.' },
  'limits.password': { kind: secret, reload: 'restart',
    text: 'Password for it, where the URL has none.',
    wrong: 'Not the one: as `limits.fail` says, and the log has the first word of the refusal.' },
  'limits.ca_file': { kind: path, reload: 'restart',
    text: 'PEM file with the only authorities trusted on the way to it, with `rediss://`; without it those that Node brings.',
    wrong: 'Without the authority of its certificate: as `limits.fail` says.' },
  'limits.timeout': { kind: duration('10ms', '1m'), default: '1s', reload: 'restart',
    text: 'How long Redis may take to answer, or to be connected to; then it counts as not reachable.',
    wrong: 'Too short: a pause of the server is an outage. Too long: requests wait as long.' },
  'limits.lease': { kind: duration('1s', '1h'), default: '1m', reload: 'restart',
    text: 'How long calls in flight count in Redis when the proxy that made them is gone, or cannot be heard.',
    wrong: 'Too long: after a crash its callers are refused for as long by `concurrent` and by budgets.' },
  'limits.fail': { kind: choice('open', 'closed'), default: 'closed', reload: 'restart',
    text: 'While the journal cannot be written, or Redis not reached, requests are refused with 503 (`closed`), or admitted and counted in memory alone (`open`): each proxy for itself, on from the days and months that it last heard of, and Redis is told what was used when it is back. The log says so.',
    wrong: '`closed`: a full disk, or a Redis that is down, stops everybody. `open`: what is used until it is mended may be lost with a restart, and of several proxies each gives all of a limit.' },
  'limits.reserve_tokens': { kind: integer(0, 1_000_000_000), default: '1000', reload: 'live',
    text: 'Tokens held for an answer until its real size is known, where the request does not say its most; for the request itself a quarter of its bytes.',
    wrong: 'Too small: many requests at once go further over a limit. Too large: the last ones of a day are refused early.' },
  ...section('limits.default', columns),
  'limits.groups': { kind: namedRows(columns), default: '', reload: 'live',
    text: 'Limits of groups, by `group` or, of one issuer only, `issuer|group`. Of several groups the most generous value counts, even where it is below the default.',
    wrong: 'Not what tokens call the group: its people have the default.' },
  'limits.users': { kind: namedRows(columns), default: '', reload: 'live',
    text: 'Limits of single users, by `user` or `issuer|user`; with several issuers only the latter. What they set counts before that of any group.',
    wrong: 'Not what tokens call the user: he has those of his groups, or the default.' },
} as const satisfies Readonly<Record<string, Option>>

import { boolean, choice, host, integer, path, secret } from './kinds.ts'
import type { Options } from './schema.ts'

/** The listener for those who run the proxy. */
export const admin = {
  'admin.host': { kind: host, default: '127.0.0.1', reload: 'restart',
    text: 'Address for metrics (`/metrics`) and full health (`/health`); neither asks for a token.',
    wrong: 'Open to a network: everybody there sees who uses how much of what.' },
  'admin.port': { kind: integer(0, 65_535), default: '9464', reload: 'restart',
    text: 'Port for metrics and full health; 0 turns them off.',
    wrong: 'Taken by another process: the start fails.' },
  'admin.user_metrics': { kind: boolean, default: 'false', reload: 'restart',
    text: 'Counts requests, tokens and cost by user too; of very many users the last ones count together.',
    wrong: 'True beside thousands of users: as many series, each scrape.' },
} as const satisfies Options

/** Who did what: a line for each call. */
export const audit = {
  'audit.file': { kind: path, reload: 'restart',
    text: 'File to which a line is added for each call, chained to the one before; without it there is no audit log. It is opened anew on HUP, so it can be renamed before. Beside it, in a folder that the proxy can write to, are its head and its lock.',
    wrong: 'A symbolic link, a file that others can write, that another process writes, or that does not end with a line of this log: the start fails.' },
  'audit.fsync': { kind: choice('every', 'interval'), default: 'interval', reload: 'restart',
    text: 'When lines are safe from a power cut: after `every` write, which is made each 10 ms in which there were some, and for an intent before its call goes up; or within an `interval` of one second. The end of the process alone costs the calls of its last 10 ms at most.',
    wrong: '`every`: the disk is never idle. `interval`: a power cut takes up to a second of lines, and what they tell.' },
  'audit.fail': { kind: choice('open', 'closed'), default: 'closed', reload: 'restart',
    text: 'What happens to calls while the log cannot be written: `closed` answers them 503, `open` lets them through, and counts and logs the lines that are lost.',
    wrong: '`open`: who can fill the disk can work unseen.' },
  'audit.key': { kind: secret, reload: 'restart',
    text: 'Seals each line with an HMAC, so that nobody without the key can change the log and mend its chain; 32 bytes at least.',
    wrong: 'Not the key that the file was begun with: the start fails.' },
  'audit.intent': { kind: boolean, default: 'false', reload: 'restart',
    text: 'Adds a line before a call goes up, as safe as `audit.fsync` says, so that not even a crash hides one.',
    wrong: 'With `audit.fsync` `every` each call waits for the disk first.' },
} as const satisfies Options

/** The log of the proxy itself. */
export const logging = {
  'logging.level': { kind: choice('debug', 'info', 'warn', 'error'), default: 'info', reload: 'live',
    text: 'The least important line that is written.',
    wrong: '`warn` and `error` hide every request, and why tokens are refused.' },
  'logging.format': { kind: choice('json', 'text'), default: 'json', reload: 'restart',
    text: 'One JSON object per line, for collectors, or text for people.',
    wrong: 'A collector that expects the other one keeps lines without fields.' },
} as const satisfies Options

/** What a log line is about; anything but these simple values stays out of logs. */
export type LogFields = Readonly<Record<string, string | number | boolean | undefined>>

export interface Log {
  debug(msg: string, fields?: LogFields): void
  info(msg: string, fields?: LogFields): void
  warn(msg: string, fields?: LogFields): void
  error(msg: string, fields?: LogFields): void
}

export const LOG_LEVELS = ['debug', 'info', 'warn', 'error'] as const
export type LogLevel = (typeof LOG_LEVELS)[number]

export interface LogOptions {
  readonly level: LogLevel
  readonly format: 'json' | 'text'
  readonly nowMs: () => number
  readonly write: (line: string) => void
}

/** A log whose level can change while it is written. */
export interface AdjustableLog extends Log {
  setLevel(level: LogLevel): void
}

/** A log of one line per event, as JSON or as `time LEVEL msg name=value…`. Lines of a lower level are not made. */
export function createLog({ level, format, nowMs, write }: LogOptions): AdjustableLog {
  const render = format === 'json' ? jsonLine : textLine
  let least = LOG_LEVELS.indexOf(level)
  let [lastMs, lastTime] = [Number.NaN, '']
  // Many lines of a millisecond share its name.
  const time = () => {
    const ms = nowMs()
    if (ms !== lastMs) [lastMs, lastTime] = [ms, new Date(ms).toISOString()]
    return lastTime
  }
  const at = (of: LogLevel) => {
    const rank = LOG_LEVELS.indexOf(of)
    return (msg: string, fields: LogFields = {}) => {
      if (rank >= least) write(render(time(), of, msg, fields))
    }
  }
  const setLevel = (next: LogLevel) => { least = LOG_LEVELS.indexOf(next) }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), setLevel }
}

const MAX_VALUE_LENGTH = 1024

function jsonLine(time: string, level: LogLevel, msg: string, fields: LogFields): string {
  // Put before the fields as text: to make one object of all would cost more than the rest of the line.
  const rest = JSON.stringify(shortened(fields)).slice(1)
  return `${oneLine(`{"time":"${time}","level":"${level}","msg":${JSON.stringify(msg)}${rest === '}' ? '' : ','}${rest}`)}\n`
}

function textLine(time: string, level: LogLevel, msg: string, fields: LogFields): string {
  const pairs = Object.entries(shortened(fields)).filter(([, value]) => value !== undefined)
  const text = pairs.map(([name, value]) => ` ${name}=${quoted(value)}`).join('')
  return `${time} ${level.toUpperCase()} ${msg}${oneLine(text)}\n`
}

const quoted = (value: unknown): string => (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value))

// A stranger chooses paths and names; a megabyte of them is no use in a log.
function shortened(fields: LogFields): LogFields {
  let short = fields
  for (const name in fields) {
    const value = fields[name]
    if (typeof value === 'string' && value.length > MAX_VALUE_LENGTH) short = { ...short, [name]: `${value.slice(0, MAX_VALUE_LENGTH)}…` }
  }
  return short
}

// JSON leaves these as they are; terminals and line readers act on them (ANSI's C1 controls, Unicode line ends).
function oneLine(text: string): string {
  return text.replace(/[\x7f-\x9f\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

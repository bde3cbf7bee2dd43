import { bounded, type Facts, type LogFields, membersOf, oneLine } from './facts.ts'

/** Has a line written: of `facts`, which others may say, too, and then of `fields`. */
type Say = (msg: string, fields?: LogFields, facts?: Facts) => void

export interface Log {
  debug: Say
  info: Say
  warn: Say
  error: Say
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
    return (msg: string, fields?: LogFields, facts?: Facts) => {
      if (rank >= least) write(render(time(), of, msg, fields, facts))
    }
  }
  const setLevel = (next: LogLevel) => { least = LOG_LEVELS.indexOf(next) }
  return { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error'), setLevel }
}

function jsonLine(time: string, level: LogLevel, msg: string, fields: LogFields | undefined, facts: Facts | undefined): string {
  // Put together as texts: to make one object of all would cost more than the rest of the line.
  let line = `{"time":"${time}","level":"${level}","msg":${oneLine(JSON.stringify(msg))}`
  for (const members of [facts?.text, fields && membersOf(fields)]) if (members) line += `,${members}`
  return `${line}}\n`
}

function textLine(time: string, level: LogLevel, msg: string, fields: LogFields | undefined, facts: Facts | undefined): string {
  const pairs = Object.entries(bounded({ ...facts?.fields, ...fields })).filter(([, value]) => value !== undefined)
  const text = pairs.map(([name, value]) => ` ${name}=${quoted(value)}`).join('')
  return `${time} ${level.toUpperCase()} ${msg}${oneLine(text)}\n`
}

const quoted = (value: unknown): string => (typeof value === 'string' && /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value))

import { pino, type Logger } from 'pino'

export type { Logger }

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Names of fields that never reach a log in clear, wherever they stand in what is logged. */
const secrets = ['password', 'adminPass', 'token', 'authorization', 'secret', 'user_data', 'private_key']
const redacted = secrets.flatMap((name) => [name, `*.${name}`, `*.*.${name}`, `headers["x-${name}"]`])

export interface LogOptions {
  level: LogLevel
  /** `pretty` for people at a terminal, `json` for a journal. */
  format: 'pretty' | 'json'
}

/** The root logger of a process; it writes to standard error. Rooms take a child with their name: `log.child({ room: 'conductor' })`. */
export function createLogger(options: LogOptions): Logger {
  const base = {
    level: options.level,
    base: undefined,
    redact: {
      paths: [...redacted, 'headers["x-auth-token"]', 'headers["x-subject-token"]'],
      censor: '[redacted]',
    },
  }
  if (options.format === 'json') return pino(base, pino.destination(2))
  return pino(base, pinoPretty())
}

function pinoPretty(): ReturnType<typeof pino.transport> {
  return pino.transport({
    target: 'pino-pretty',
    options: { destination: 2, translateTime: 'SYS:HH:MM:ss.l', ignore: 'pid,hostname', singleLine: true },
  })
}

/** A logger that says nothing, for tests. */
export const silentLogger = (): Logger => pino({ level: 'silent' })

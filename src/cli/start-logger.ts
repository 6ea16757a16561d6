import type { Config } from '../base/config.ts'
import { createLogger, type Logger } from '../base/logging.ts'

/** The log of a daemon: for people at a terminal, JSON elsewhere. */
export function startLogger({ log }: Config): Logger {
  const format = log.format === 'auto' ? (process.stderr.isTTY ? 'pretty' : 'json') : log.format
  return createLogger({ level: log.level, format })
}

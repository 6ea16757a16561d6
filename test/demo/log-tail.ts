import { readFileSync } from 'node:fs'

/** The last lines of a Lodge log, as people read them: `warn  agent: libvirt does not answer`. */
export function logTail(path: string, count: number): string[] {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch {
    return []
  }
  return text.trimEnd().split('\n').slice(-count).map(readable)
}

const levels: Record<number, string> = {
  10: 'trace',
  20: 'debug',
  30: 'info',
  40: 'warn',
  50: 'error',
  60: 'fatal',
}

function readable(line: string): string {
  try {
    const { level, room, msg, err } = JSON.parse(line)
    const parts = [room && `${room}:`, msg, err?.message && `(${err.message})`].filter(Boolean)
    return `${(levels[level] ?? '').padEnd(5)}  ${parts.join(' ')}`
  } catch {
    return line
  }
}

/** What processes take of the processor and of memory, as the kernel counts it. */
import { readdirSync, readFileSync } from 'node:fs'

/** User and system time of a process so far, milliseconds; the kernel counts it in hundredths of a second. */
export function processorTime(pid: number): number {
  const { own } = statOf(pid)
  return own
}

/**
 * The same of a process with all its children, of which those that have ended count as well. Only for processes
 * whose children have none.
 */
export function processorTimeOfFamily(pid: number): number {
  const { own, ended } = statOf(pid)
  let sum = own + ended
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue
    try {
      const child = statOf(Number(name))
      if (child.parent === pid) sum += child.own
    } catch {
      // It ended meanwhile.
    }
  }
  return sum
}

/** Memory that is the process's own, and its share of what it shares (PSS), MiB. */
export function memoryMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) / 1024
}

interface Stat {
  parent: number
  own: number
  /** Of children that have ended. */
  ended: number
}

function statOf(pid: number): Stat {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  // The name before may hold anything.
  const fields = text.slice(text.lastIndexOf(') ') + 2).split(' ')
  const milliseconds = (at: number): number => (Number(fields[at]) + Number(fields[at + 1])) * 10
  return { parent: Number(fields[1]), own: milliseconds(11), ended: milliseconds(13) }
}

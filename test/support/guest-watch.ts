/** Watches where a guest runs, from outside of libvirt and of Lodge: by its virtual processors' time on the machine. */
import { readFileSync, readdirSync, readlinkSync } from 'node:fs'
import type { Lab } from '../../src/lab/lab.ts'
import { readHostMark } from '../../src/lab/lab-record.ts'

export interface GuestWatch {
  /** Where it has run, in order; each home is one QEMU process. */
  homes(): string[]
  /** What no guest may do: run on in one place after it ran in another. Seen when it does for half a second or so. */
  violations(): string[]
  end(): void
}

const everyMs = 100
/**
 * In so many looks, with no second without one between them, a guest's virtual processors must have been awake for it to
 * count as running. An idle guest's are some twenty times a second; those of one that is halted, or has just come, in a
 * burst or two.
 */
const looksOfLife = 4
const quietMs = 1000

interface Life {
  wakes: number
  looks: number
  lastAt: number
}

/** Looks ten times a second until `end`. */
export function watchGuest(lab: Lab, serverId: string): GuestWatch {
  const seen = new Map<number, Life>()
  const hosts = new Map<number, string>()
  const lives: number[] = []
  const violations = new Set<string>()

  function look(): void {
    const lived: number[] = []
    const now = performance.now()
    for (const pid of processesOf(serverId)) {
      const wakes = wakesOf(pid)
      const life = seen.get(pid)
      if (!life) {
        seen.set(pid, { wakes, looks: 0, lastAt: -Infinity })
        hosts.set(pid, hostOf(lab, pid))
      } else if (wakes > life.wakes) {
        const looks = now - life.lastAt > quietMs ? 1 : life.looks + 1
        seen.set(pid, { wakes, looks: looks % looksOfLife, lastAt: now })
        if (looks === looksOfLife) lived.push(pid)
      }
    }
    // In one look both may have: it went over in this moment.
    lived.sort((a, b) => Number(lives.includes(b)) - Number(lives.includes(a)))
    for (const pid of lived) {
      if (lives.at(-1) === pid) continue
      if (lives.includes(pid))
        violations.add(`it ran on ${hosts.get(pid)} again after it ran on ${hosts.get(lives.at(-1)!)}`)
      else lives.push(pid)
    }
  }

  look()
  const timer = setInterval(look, everyMs)
  return {
    homes: () => lives.map((pid) => hosts.get(pid) ?? '?'),
    violations: () => [...violations],
    end: () => clearInterval(timer),
  }
}

function processesOf(serverId: string): number[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .filter((entry) => {
      const command = read(`/proc/${entry}/cmdline`)
      return command.includes('qemu-system') && command.includes(`-uuid\0${serverId}`)
    })
    .map(Number)
}

/** How often the virtual processors of a QEMU process got a processor. */
function wakesOf(pid: number): number {
  let threads: string[] = []
  try {
    threads = readdirSync(`/proc/${pid}/task`)
  } catch {
    return 0 // it has just ended
  }
  let sum = 0
  for (const thread of threads) {
    const path = `/proc/${pid}/task/${thread}`
    if (/^CPU \d/.test(read(`${path}/comm`))) sum += Number(read(`${path}/schedstat`).split(' ')[2] ?? 0)
  }
  return sum
}

function hostOf(lab: Lab, pid: number): string {
  const namespace = namespaceOf(pid)
  const host = lab.hosts.find(
    ({ directory }) => namespaceOf(readHostMark(directory)?.pid ?? -1) === namespace,
  )
  return host?.name ?? '?'
}

function namespaceOf(pid: number): string | undefined {
  try {
    return readlinkSync(`/proc/${pid}/ns/pid`)
  } catch {
    return undefined
  }
}

function read(path: string): string {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

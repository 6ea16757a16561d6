/** What `lodge up` costs while nothing happens: memory and processor. */
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { makeBed } from '../support/bed.ts'
import type { Row } from './row.ts'

/** Long enough for some reports and a census. */
const idleMilliseconds = 60_000
/** In the minute after its start V8 tidies up what the start left: as much work as three idle minutes. */
const settleMilliseconds = 60_000

export async function footprintSection(): Promise<Row[]> {
  const bed = await makeBed({ agent: { reconcileSeconds: 30 } })
  try {
    await bed.reach(await bed.create('one'), ['ACTIVE'])
    await delay(settleMilliseconds)
    const { pid } = bed.lodge
    const before = cpuMilliseconds(pid)
    await delay(idleMilliseconds)
    const idle = ((cpuMilliseconds(pid) - before) / idleMilliseconds) * 100
    return [
      {
        what: 'memory of lodge up, idle (PSS)',
        raw: null,
        lodge: pssMiB(pid),
        unit: 'MiB',
        promise: { kind: 'at most', value: 150 },
        count: 1,
      },
      {
        what: 'processor of lodge up, idle',
        raw: null,
        lodge: idle,
        unit: '%',
        promise: { kind: 'at most', value: 0.3 },
        count: 1,
      },
    ]
  } finally {
    await bed.remove()
  }
}

function pssMiB(pid: number): number {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8')
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) / 1024
}

/** User and system time of a process so far; the kernel counts it in hundredths of a second. */
function cpuMilliseconds(pid: number): number {
  const fields = readFileSync(`/proc/${pid}/stat`, 'utf8').split(') ')[1]!.split(' ')
  return (Number(fields[11]) + Number(fields[12])) * 10
}

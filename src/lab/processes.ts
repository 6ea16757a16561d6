import { readFileSync, readdirSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError } from '../base/errors.ts'

/** Tells one process from a later one with the same id. */
export interface ProcessMark {
  pid: number
  /** When it started, in the kernel's ticks since boot. */
  started: string
}

/** The living children of a process, with the names of their programs. */
export function childrenOf(parent: number): { pid: number; name: string }[] {
  return readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .map((entry) => ({ pid: Number(entry), stat: statOf(Number(entry)) }))
    .filter(({ stat }) => stat?.parent === parent && stat.state !== 'Z')
    .map(({ pid, stat }) => ({ pid, name: stat?.name ?? '' }))
}

/** The mark of a living process. */
export function markOf(pid: number): ProcessMark | undefined {
  const stat = statOf(pid)
  return stat && stat.state !== 'Z' ? { pid, started: stat.started } : undefined
}

/** Whether the marked process still lives. */
export const isAlive = (mark: ProcessMark): boolean => markOf(mark.pid)?.started === mark.started

/**
 * Kills the marked process with SIGKILL and returns when it is gone. Of a namespace's process 1, that is when
 * all other processes of the namespace are gone too.
 * @throws LodgeError timeout after 30 seconds
 */
export async function killAndWait(mark: ProcessMark): Promise<void> {
  if (!isAlive(mark)) return
  process.kill(mark.pid, 'SIGKILL')
  await waitFor(() => !isAlive(mark), 30_000, `process ${mark.pid} to end`)
}

/**
 * Asks again and again until `done` says so, with `pause` milliseconds between.
 * @throws LodgeError timeout naming `what` was waited for
 */
export async function waitFor(
  done: () => boolean | Promise<boolean>,
  milliseconds: number,
  what: string,
  pause = 10,
): Promise<void> {
  const deadline = Date.now() + milliseconds
  while (!(await done())) {
    if (Date.now() > deadline) throw new LodgeError('timeout', `Waited ${milliseconds} ms for ${what}`)
    await delay(pause)
  }
}

interface Stat {
  name: string
  state: string
  parent: number
  started: string
}

function statOf(pid: number): Stat | undefined {
  let text: string
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  } catch {
    return undefined
  }
  // The name stands in brackets and may itself hold brackets and blanks.
  const nameEnd = text.lastIndexOf(')')
  const fields = text.slice(nameEnd + 2).split(' ')
  const [state = '', parent = ''] = fields
  return {
    name: text.slice(text.indexOf('(') + 1, nameEnd),
    state,
    parent: Number(parent),
    started: fields[19] ?? '',
  }
}

import type { Action, ActionParams } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import { getAction } from '../store/actions.ts'
import { getServer } from '../store/servers.ts'
import type { ConductorContext } from './context.ts'
import { giveUp } from './end-action.ts'
import { Interrupt } from './interrupt.ts'
import { runAction, type Run } from './run-action.ts'
import { isLeaseLost } from './scene.ts'

/** The actions in work: each server's in order, one at a time. */
export interface Runs {
  begin(action: Action, server: Server): void
  count(): number
  checkDeadlines(now: number): void
  /** The clock was set by `ms`, or the process halted: what is under way keeps the time that it had left. */
  shiftDeadlines(ms: number): void
  /** Resolves when none is left. */
  idle(): Promise<void>
  /** Interrupts all and waits until they have left off. */
  stop(): Promise<void>
}

/** How long after a failure of the store an action is taken up again. */
const retryMs = 3000

/** What a delete makes pointless need not be done any more, nor a soft reboot that a hard one replaces. */
const overtakes = (newer: Action, older: Action): boolean =>
  newer.name === 'delete' || (isReboot(newer, 'HARD') && isReboot(older, 'SOFT'))

const isReboot = ({ name, params }: Action, type: 'SOFT' | 'HARD'): boolean =>
  name === 'reboot' && (params as ActionParams['reboot']).type === type

/** Actions about another one that is at work on the server: they would wait for its end. */
const besides = new Set<Action['name']>(['live_migration_cancel', 'live_migration_force_complete'])

const queueOf = ({ id, name, serverId }: Action): string => (besides.has(name) ? id : serverId)

/** @param onEnd called when a run has ended */
export function createRuns(context: ConductorContext, { onEnd }: { onEnd: () => void }): Runs {
  const { clock, log } = context
  /** The first of each queue is in work. */
  const byServer = new Map<string, Run[]>()
  const waiting = new Set<() => void>()
  let count = 0

  async function work(queue: Run[]): Promise<void> {
    for (let run = queue[0]; run; run = queue[0]) {
      await complete(run)
      queue.shift()
      count -= 1
      onEnd()
      if (queue[0]) await refresh(queue[0])
      else byServer.delete(queueOf(run.action))
    }
    if (count === 0) for (const resolve of waiting) resolve()
  }

  /** Runs the action to its end, over failures of the store and, until its deadline, over defects of ours. */
  async function complete(run: Run): Promise<void> {
    for (;;) {
      if (run.interrupt.reason === 'shutdown') return
      try {
        await runAction(context, run)
        return
      } catch (error) {
        if (isLeaseLost(error)) return
        log.error({ err: error, action: run.action.id, server: run.action.serverId }, 'an action stumbled')
        if (clock.now() >= run.action.deadline && (await gaveUp(run, error))) return
        run.interrupt.clear()
        await run.interrupt.sleep(clock, retryMs)
        await refresh(run)
        if (run.action.finishedAt !== null) return
      }
    }
  }

  async function gaveUp(run: Run, thrown: unknown): Promise<boolean> {
    try {
      await giveUp(context, run, thrown)
      return true
    } catch (error) {
      log.error({ err: error, action: run.action.id }, 'an action could not even be given up')
      return false
    }
  }

  /** Reads action and server again: others have changed them since they were leased. */
  async function refresh(run: Run): Promise<void> {
    try {
      const { db } = context.store
      run.server = (await getServer(db, run.server.id, { deleted: true })) ?? run.server
      run.action = (await getAction(db, run.action.id)) ?? run.action
    } catch (error) {
      log.error({ err: error, action: run.action.id }, 'reading an action again failed')
    }
  }

  const idle = async (): Promise<void> => {
    if (count === 0) return
    await new Promise<void>((resolve) => {
      const listener = (): void => {
        waiting.delete(listener)
        resolve()
      }
      waiting.add(listener)
    })
  }

  return {
    begin: (action, server) => {
      const queue = byServer.get(queueOf(action))
      const run: Run = { action, server, interrupt: new Interrupt(), deadline: action.deadline }
      if (queue?.some((other) => other.action.id === action.id)) return
      count += 1
      if (queue) {
        for (const other of queue) if (overtakes(action, other.action)) other.interrupt.raise('superseded')
        queue.push(run)
        return
      }
      const own = [run]
      byServer.set(queueOf(action), own)
      void work(own)
    },
    count: () => count,
    checkDeadlines: (now) => {
      for (const queue of byServer.values())
        for (const run of queue) if (now >= run.deadline) run.interrupt.raise('deadline')
    },
    shiftDeadlines: (ms) => {
      for (const queue of byServer.values()) for (const run of queue) run.deadline += ms
    },
    idle,
    stop: async () => {
      for (const queue of byServer.values()) for (const run of queue) run.interrupt.raise('shutdown')
      await idle()
    },
  }
}

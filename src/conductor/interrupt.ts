import type { Clock } from '../base/clock.ts'

/**
 * Why a run should not go on as it is: a delete or a hard reboot of its server waits; its deadline has passed; the
 * conductor stops.
 * A later reason replaces a weaker earlier one.
 */
export type InterruptReason = 'superseded' | 'deadline' | 'shutdown'

const strength: Record<InterruptReason, number> = { superseded: 1, deadline: 2, shutdown: 3 }

/** Told to a run from outside; the run looks at it where it waits. */
export class Interrupt {
  reason: InterruptReason | null = null
  private readonly listeners = new Set<() => void>()

  raise(reason: InterruptReason): void {
    if (this.reason && strength[this.reason] >= strength[reason]) return
    this.reason = reason
    for (const listener of this.listeners) listener()
  }

  /** Nothing waits any more for a reason given before: for work that must be done all the same, such as undoing. */
  clear(): void {
    if (this.reason !== 'shutdown') this.reason = null
  }

  /** Sleeps, or less when any reason comes up. */
  async sleep(clock: Clock, ms: number): Promise<void> {
    if (this.reason) return
    const abort = new AbortController()
    const listener = (): void => abort.abort()
    this.listeners.add(listener)
    try {
      await clock.sleep(ms, abort.signal)
    } catch {
      // Woken early: the caller looks at the reason.
    } finally {
      this.listeners.delete(listener)
    }
  }

  /** Waits for `promise`, or resolves with undefined once one of `reasons` comes up. */
  async orUntil<T>(promise: Promise<T>, reasons: readonly InterruptReason[]): Promise<T | undefined> {
    let listener: () => void = () => undefined
    const raised = new Promise<undefined>((resolve) => {
      listener = () => {
        if (this.reason && reasons.includes(this.reason)) resolve(undefined)
      }
    })
    this.listeners.add(listener)
    listener()
    try {
      return await Promise.race([promise, raised])
    } finally {
      this.listeners.delete(listener)
    }
  }
}

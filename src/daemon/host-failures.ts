import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'

/**
 * `crash`: the power of the host fails, its guests are off, and it boots. `cut`: nobody reaches its agent, and its guests
 * run on. `hang`: its hypervisor does not answer.
 */
export type HostFailure = 'crash' | 'cut' | 'hang'

/** A simulated host that can be made to fail. */
export interface FailingHost {
  readonly name: string
  fail(failure: HostFailure): Promise<void>
  /** As a host that is back does: its agent starts and reports. */
  recover(failure: HostFailure): Promise<void>
}

export interface HostFailuresOptions {
  hosts: readonly FailingHost[]
  settings: Pick<Config['simulate'], 'hostFailures' | 'hostFailureSeconds' | 'hostDownSeconds'>
  clock: Clock
  random: () => number
  log: Logger
}

/**
 * Lets simulated hosts fail, one after the other at random, and come back. Returns how to stop, which waits for what is
 * under way and leaves failed hosts as they are. Nothing happens while `hostFailureSeconds` is 0.
 */
export function startHostFailures(options: HostFailuresOptions): () => Promise<void> {
  const { hosts, settings, clock, random, log } = options
  const stopped = new AbortController()
  const { signal } = stopped
  const failed = new Set<FailingHost>()
  const outages = new Set<Promise<void>>()

  async function outage(host: FailingHost, failure: HostFailure): Promise<void> {
    log.warn({ host: host.name, failure }, 'a simulated host fails')
    await host.fail(failure)
    await clock.sleep(settings.hostDownSeconds * 1000 * (0.5 + random()), signal)
    await host.recover(failure)
    log.info({ host: host.name, failure }, 'a simulated host is back')
    failed.delete(host)
  }

  async function run(): Promise<void> {
    for (;;) {
      // Each fails once in that time on the average, and none knows of the others.
      const meanMs = (settings.hostFailureSeconds * 1000) / hosts.length
      await clock.sleep(-Math.log(1 - random()) * meanMs, signal)
      const host = hosts[Math.floor(random() * hosts.length)]!
      const failure = settings.hostFailures[Math.floor(random() * settings.hostFailures.length)]!
      if (failed.has(host)) continue
      failed.add(host)
      const begun = outage(host, failure)
        .catch((error: unknown) => {
          if (!signal.aborted)
            log.error({ host: host.name, reason: messageOf(error) }, 'a simulated failure failed')
        })
        .finally(() => outages.delete(begun))
      outages.add(begun)
    }
  }

  if (settings.hostFailureSeconds <= 0 || settings.hostFailures.length === 0 || hosts.length === 0)
    return async () => {}
  const running = run().catch(() => {})
  return async () => {
    stopped.abort()
    await running
    await Promise.all(outages)
  }
}

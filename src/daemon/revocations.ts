import type { Clock } from '../base/clock.ts'
import { messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import { tellClaims } from '../bus/nats-claims.ts'
import type { NatsConnectOptions } from '../bus/nats-connect.ts'
import { fleetAccount, type FleetKeys } from '../bus/nats-keys.ts'
import { revokedKeys } from '../store/agents.ts'
import type { Store } from '../store/store.ts'
import { writeRevoked } from './fleet.ts'

export interface RevocationsOptions {
  store: Store
  /** Of the fleet; undefined on a controller that was given credentials only, and so cannot tell. */
  keys: FleetKeys | undefined
  stateDirectory: string
  nats: Pick<NatsConnectOptions, 'url' | 'caFile'>
  clock: Clock
  log: Logger
}

export interface Revocations {
  /** Has nats-server refuse what is revoked, now. False when it could not be told; it will be. */
  tell(): Promise<boolean>
  /** nats-server may have started again, and forgotten. */
  forgotten(): void
  stop(): Promise<void>
}

/** How often the store is asked for what another controller revoked and could not tell. */
const lookMs = 10_000

/**
 * Keeps nats-server's list of refused keys as the store has it: told when something is revoked here, after each
 * reconnect, and when the store has other keys than were told last. Its configuration file here follows, for its next
 * start.
 */
export function keepRevocations(options: RevocationsOptions): Revocations {
  const { store, keys, stateDirectory, nats, clock, log } = options
  const stopping = new AbortController()
  let told: string | undefined
  let written: string | undefined
  let underWay: Promise<unknown> = Promise.resolve()

  async function bringUpToDate(known: FleetKeys): Promise<boolean> {
    try {
      const revoked = await revokedKeys(store.db)
      const now = revoked.join()
      if (now !== written) await writeRevoked(stateDirectory, known, revoked)
      written = now
      // A server that never heard of any has nothing to learn.
      if (now === (told ?? '')) return true
      const account = await fleetAccount(known, revoked)
      await tellClaims({ ...nats, name: 'lodge controller: revocations' }, known.systemSeed, account)
      told = now
      return true
    } catch (error) {
      if (!stopping.signal.aborted)
        log.warn({ reason: messageOf(error) }, 'NATS was not told which agents are revoked; it will be')
      return false
    }
  }

  /** One at a time, so that what is told last is the newest. */
  function next(): Promise<boolean> {
    if (!keys) return Promise.resolve(false)
    const work = underWay.then(() => bringUpToDate(keys))
    underWay = work
    return work
  }

  async function look(): Promise<void> {
    for (;;) {
      await next()
      try {
        await clock.sleep(lookMs, stopping.signal)
      } catch {
        return
      }
    }
  }

  const looking = keys ? look() : Promise.resolve()
  return {
    tell: next,
    forgotten: () => {
      told = undefined
      void next()
    },
    stop: async () => {
      stopping.abort()
      await looking
      await underWay
    },
  }
}

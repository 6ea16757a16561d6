import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import type { Logger } from '../base/logging.ts'
import type { Bus } from '../bus/bus.ts'
import type { Store } from '../store/store.ts'
import type { GroupWriter } from './group-writer.ts'
import type { HostCache } from './host-cache.ts'
import type { OwnerNames } from './owner-names.ts'

/** What every part of the conductor works with; made once at start. */
export interface ConductorContext {
  store: Store
  bus: Bus
  clock: Clock
  config: Config
  log: Logger
  /** Owner of the leases. */
  id: string
  writer: GroupWriter
  hosts: HostCache
  names: OwnerNames
  /** Tells the conductor that there are new actions. */
  wake(): void
  /** For tests of crashes: called with the name of each point of an action's way; what it throws ends the run there. */
  failpoint?: (point: string) => void
}

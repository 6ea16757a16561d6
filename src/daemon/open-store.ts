import type { Config } from '../base/config.ts'
import type { Logger } from '../base/logging.ts'
import { openSqliteStore } from '../store/open-sqlite.ts'
import type { Store } from '../store/store.ts'
import type { StateDirectory } from './state-directory.ts'

/**
 * Opens the store that the settings name: PostgreSQL where there is a URL, else SQLite in the state directory.
 * @throws LodgeError unavailable when it cannot be opened
 */
export async function openStore(config: Config, state: StateDirectory, log: Logger): Promise<Store> {
  const { url, connections } = config.store
  if (url === null) return openSqliteStore({ path: state.database })
  // Loaded only where it is used: one machine does without the driver's memory.
  const { openPostgresStore } = await import('../store/open-postgres.ts')
  return openPostgresStore({ url, connections, log: log.child({ room: 'store' }) })
}

import { existsSync } from 'node:fs'
import type { Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import { silentLogger, type Logger } from '../base/logging.ts'
import { openSqliteStore } from '../store/open-sqlite.ts'
import type { Store } from '../store/store.ts'
import type { StateDirectory } from './state-directory.ts'

/**
 * Opens the store that the settings name: PostgreSQL where there is a URL, else SQLite in the state directory.
 * @throws LodgeError unavailable when it cannot be opened
 */
export async function openStore(config: Config, state: StateDirectory, log: Logger): Promise<Store> {
  if (config.store.url === null) return openSqliteStore({ path: state.database })
  return openPostgres(config.store.url, {
    connections: config.store.connections,
    log: log.child({ room: 'store' }),
  })
}

/**
 * The same store for looking only: neither migrates nor makes anything.
 * @throws LodgeError badRequest when there is none yet, unavailable when it cannot be opened
 */
export async function openStoreReadOnly(config: Config, state: StateDirectory): Promise<Store> {
  const { url } = config.store
  if (url === null && !existsSync(state.database)) throw noState(state)
  const store =
    url === null
      ? await openSqliteStore({ path: state.database, readOnly: true })
      : await openPostgres(url, { connections: 1, log: silentLogger(), readOnly: true })
  try {
    // A start that was cut off at once may have left the database empty.
    if ((await store.db.introspection.getTables()).some(({ name }) => name === 'servers')) return store
  } catch (error) {
    await store.close()
    throw error
  }
  await store.close()
  throw url === null
    ? noState(state)
    : new LodgeError('badRequest', 'The database of `store.url` holds no Lodge state yet')
}

const noState = ({ root }: StateDirectory): LodgeError =>
  new LodgeError('badRequest', `There is no Lodge state in ${root}; name the directory with --state DIR`)

/** The driver is loaded only where it is used: one machine does without its memory. */
async function openPostgres(
  url: string,
  more: { connections: number; log: Logger; readOnly?: boolean },
): Promise<Store> {
  const { openPostgresStore } = await import('../store/open-postgres.ts')
  return openPostgresStore({ url, ...more })
}

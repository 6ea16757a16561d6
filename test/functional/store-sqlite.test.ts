import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import { storeRaces } from '../support/store-races.ts'
import { storeSuite } from '../support/store-suite.ts'

storeSuite('SQLite', () => openSqliteStore({ path: ':memory:' }))
storeRaces('SQLite', async () => [await openSqliteStore({ path: ':memory:' })])

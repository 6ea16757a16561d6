import { LodgeError } from '../../../base/errors.ts'
import { actionDeadline } from '../../../model/action.ts'
import { liveMigrationStatuses, type Migration, type MigrationStatus } from '../../../model/migration.ts'
import type { Server } from '../../../model/server.ts'
import { beginAction } from '../../../store/actions.ts'
import { getMigration, liveMigrationsOf, updateMigration } from '../../../store/server-migrations.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { addressesOf, serverMigrationView } from '../migrations/migration-view.ts'
import { emptyQuery } from '../parameters.ts'
import { requireServer } from './find-server.ts'
import { checkLock } from './guard.ts'

const path = '/servers/:server_id/migrations'

/** The live migrations of a server that are under way. */
export const serverMigrationRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path,
    min: 23,
    policy: 'servers:migrations:index',
    role: 'manager',
    success: 200,
    query: emptyQuery,
    summary: 'Lists a server’s live migrations that are under way',
    handler: async (request) => {
      const { db } = services.store
      const server = await requireServer(db, request)
      const migrations = await liveMigrationsOf(db, server.id)
      const addresses = await addressesOf(db, migrations)
      return {
        body: { migrations: migrations.map((one) => serverMigrationView(one, addresses, request)) },
      }
    },
  },
  {
    method: 'GET',
    path: `${path}/:id`,
    min: 23,
    policy: 'servers:migrations:show',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Shows how far a live migration is',
    handler: async (request) => {
      const { db } = services.store
      const server = await requireServer(db, request)
      const migration = await requireMigration(db, request, server)
      if (!liveMigrationStatuses.includes(migration.status))
        throw new LodgeError(
          'notFound',
          `Live migration ${migration.number} for server ${server.id} is not in progress.`,
        )
      const addresses = await addressesOf(db, [migration])
      return { body: { migration: serverMigrationView(migration, addresses, request) } }
    },
  },
  {
    method: 'DELETE',
    path: `${path}/:id`,
    min: 24,
    policy: 'servers:migrations:delete',
    role: 'manager',
    success: 202,
    summary: 'Aborts a live migration; the guest stays where it is',
    handler: async (request) => {
      await steer(services, request, 'live_migration_cancel', {
        statuses: request.version >= 65 ? [...running, ...waiting] : running,
        checksLock: false,
      })
      return {}
    },
  },
  {
    method: 'POST',
    path: `${path}/:id/action`,
    action: 'force_complete',
    min: 22,
    policy: 'servers:migrations:force_complete',
    role: 'manager',
    success: 202,
    body: [{ schema: { type: 'null' } }],
    summary: 'Brings a live migration to its end, by post-copy or by halting the guest',
    handler: async (request) => {
      await steer(services, request, 'live_migration_force_complete', {
        statuses: ['running'],
        checksLock: true,
      })
      return {}
    },
  },
]

const running: MigrationStatus[] = ['running']
const waiting: MigrationStatus[] = ['queued', 'preparing']

async function steer(
  services: ApiServices,
  request: ApiRequest,
  name: 'live_migration_cancel' | 'live_migration_force_complete',
  allowed: { statuses: MigrationStatus[]; checksLock: boolean },
): Promise<void> {
  const { store, clock, config } = services
  await store.transaction(async (trx) => {
    const server = await requireServer(trx, request)
    if (allowed.checksLock) checkLock(server, request.caller)
    if (server.taskState !== 'migrating')
      throw new LodgeError(
        'conflict',
        `Cannot '${name}' instance ${server.id} while it is in task_state ${server.taskState}`,
      )
    const migration = await requireMigration(trx, request, server)
    if (!allowed.statuses.includes(migration.status))
      throw new LodgeError(
        'badRequest',
        `Migration ${migration.number} state of instance ${server.id} is ${migration.status}. ` +
          `Cannot ${name} while the migration is in this state.`,
      )
    const now = clock.now()
    // One that has not begun finds this when it is about to.
    if (name === 'live_migration_cancel')
      await updateMigration(trx, migration.id, { status: 'cancelled' }, now, waiting)
    await beginAction(trx, {
      serverId: server.id,
      name,
      requestId: request.requestId,
      projectId: request.caller.projectId ?? server.projectId,
      userId: request.caller.userId,
      params: { migrationId: migration.id },
      now,
      deadline: actionDeadline(name, now, config.conductor),
    })
  })
  services.wake()
}

/** @throws LodgeError notFound for what is no live migration of this server */
async function requireMigration(db: Db, request: ApiRequest, server: Server): Promise<Migration> {
  const text = request.params['id'] ?? ''
  const migration = /^\d{1,9}$/.test(text) ? await getMigration(db, { number: Number(text) }) : undefined
  if (migration?.serverId === server.id && migration.type === 'live-migration') return migration
  throw new LodgeError('notFound', `Migration ${text.slice(0, 255)} not found for instance ${server.id}`)
}

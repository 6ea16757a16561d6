import { LodgeError } from '../../base/errors.ts'
import type { QueryName, QueryTable } from '../../contract/command.ts'
import type { Migration } from '../../model/migration.ts'
import { forecastOf, type KeptForecast, type MigrationOutcome } from '../../model/migration-forecast.ts'
import type { Server } from '../../model/server.ts'
import { getActionByRequest } from '../../store/actions.ts'
import { getHypervisor } from '../../store/host-list.ts'
import { measuredBandwidth } from '../../store/migration-bandwidth.ts'
import { listMigrations } from '../../store/server-migrations.ts'
import { getServer } from '../../store/servers.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { object, once } from '../common/schema-parts.ts'
import { isoTime } from '../common/time.ts'

const hostName = { type: 'string', minLength: 1, maxLength: 255 }

/** What a live migration would do, before one asks for it; and what was foretold of those that were asked for. */
export const migrationForecastRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/servers/:id/migration-forecast',
    policy: 'lodge:servers:migration_forecast',
    role: 'admin',
    success: 200,
    query: [{ schema: object({ host: once(hostName) }) }],
    summary:
      'Watches a running server for a second and tells whether a live migration, to `host` if that is named, would come to an end, how long it would take and for how long the guest would stand still',
    handler: async (request) => ({ body: { migration_forecast: await askFor(services, request) } }),
  },
  {
    method: 'GET',
    path: '/servers/:id/live-migrations',
    policy: 'lodge:servers:live_migrations',
    role: 'admin',
    success: 200,
    summary: 'Lists the live migrations of a server, newest first, each with its forecast and how it went',
    handler: async ({ params: { id = '' } }) => {
      const { db } = services.store
      const migrations = (await listMigrations(db, { serverId: id, type: 'live-migration' })).map(
        async (migration) => {
          const action = await getActionByRequest(db, id, migration.requestId)
          return migrationView(migration, action?.progress ?? {})
        },
      )
      return { body: { live_migrations: await Promise.all(migrations) } }
    },
  },
]

async function askFor({ store, config, ask }: ApiServices, request: ApiRequest): Promise<object> {
  const server = await runningServer(store.db, request.params['id'] ?? '')
  const dest = request.query['host']?.at(-1) ?? null
  if (dest !== null && !(await getHypervisor(store.db, { name: dest })))
    throw new LodgeError('badRequest', `There is no host ${dest}.`)
  if (dest === server.host) throw new LodgeError('badRequest', `The server is on host ${dest} already.`)
  const query = <Q extends QueryName>(name: Q, host: string): Promise<QueryTable[Q]['result']> =>
    ask<Q>({ version: 1, host, name, params: { serverId: server.id } as QueryTable[Q]['params'] })
  const [measurement, sharedStorage, measuredBytesPerSecond] = await Promise.all([
    query('migrationMeasurement', server.host),
    dest === null ? false : query('seesDisks', dest).then(({ seesDisks }) => seesDisks),
    measuredBandwidth(store.db, server.host, dest),
  ])
  const forecast = forecastOf(measurement, {
    sharedStorage,
    measuredBytesPerSecond,
    assumedBytesPerSecond: config.fleet.assumedBandwidthMiBps * 2 ** 20,
  })
  return { server_id: server.id, source_host: server.host, dest_host: dest, ...forecastView(forecast) }
}

async function runningServer(db: ApiServices['store']['db'], id: string): Promise<Server & { host: string }> {
  const server = await getServer(db, id)
  if (!server) throw new LodgeError('notFound', `Instance ${id.slice(0, 255)} could not be found.`)
  const { host, taskState, vmState } = server
  if (host === null || taskState !== null || (vmState !== 'active' && vmState !== 'paused'))
    throw new LodgeError(
      'conflict',
      `Instance ${id} is ${taskState ?? vmState}: only a guest that runs, and is left alone, can be moved alive.`,
    )
  return { ...server, host }
}

const forecastView = (forecast: KeptForecast): object => {
  const { verdict, aid, totalMs, downtimeMs, throttlePercent, reason, input } = forecast
  return {
    verdict,
    aid,
    reason,
    total_ms: totalMs,
    downtime_ms: downtimeMs,
    throttle_percent: throttlePercent,
    memory: { bytes: input.memoryBytes, dirty_bytes_per_second: input.dirtyBytesPerSecond },
    disk: { bytes: input.diskBytes, written_bytes_per_second: input.diskWriteBytesPerSecond },
    bandwidth: { bytes_per_second: input.bandwidth.bytesPerSecond, source: input.bandwidth.source },
  }
}

function migrationView(migration: Migration, progress: Record<string, unknown>): object {
  const forecast = progress['forecast'] as KeptForecast | null | undefined
  const outcome = progress['outcome'] as MigrationOutcome | undefined
  return {
    uuid: migration.id,
    status: migration.status,
    source_host: migration.sourceHost,
    dest_host: migration.destHost,
    request_id: migration.requestId,
    created_at: isoTime(migration.createdAt),
    forecast: forecast ? forecastView(forecast) : null,
    outcome: outcome
      ? {
          total_ms: outcome.totalMs,
          downtime_ms: outcome.downtimeMs,
          memory_bytes: outcome.memoryBytes,
          disk_bytes: outcome.diskBytes,
          bytes_per_second: outcome.bytesPerSecond,
        }
      : null,
  }
}

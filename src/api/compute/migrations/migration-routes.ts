import { LodgeError } from '../../../base/errors.ts'
import { listMigrations, type MigrationFilter } from '../../../store/server-migrations.ts'
import { limitOrMax, nextLinks, pageOf } from '../../common/paging.ts'
import type { ApiRequest, ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import { anyString, object, once } from '../../common/schema-parts.ts'
import { parseTime } from '../../common/time.ts'
import { queryPart, queryValue } from '../parameters.ts'
import { addressesOf, flavorsOf, migrationView } from './migration-view.ts'

/** Migrations of all kinds and all times, newest first. */
export const migrationRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-migrations',
    policy: 'os-migrations:index',
    role: 'manager',
    success: 200,
    query: listQuery(),
    summary: 'Lists migrations of all kinds',
    handler: async (request) => {
      const { db } = services.store
      const isPaged = request.version >= 59
      const page = pageOf(request, services.config)
      const limit = isPaged ? limitOrMax(page, services.config) : undefined
      const marker = isPaged ? (page.marker ?? undefined) : undefined
      const migrations = await listMigrations(db, filterOf(request), { limit, marker })
      const addresses = await addressesOf(db, migrations)
      const flavors = await flavorsOf(db, migrations)
      const ids = migrations.map(({ id }) => id)
      const links = limit === undefined ? [] : nextLinks(request, '/os-migrations', limit, ids)
      return {
        body: {
          migrations: migrations.map((migration) =>
            migrationView(migration, { addresses, flavors }, request),
          ),
          ...(links.length > 0 && { migrations_links: links }),
        },
      }
    },
  },
]

function filterOf(request: ApiRequest): MigrationFilter {
  const { caller, version } = request
  const value = (key: string): string | undefined => queryValue(request, key)
  const isOwned = version >= 80
  return {
    serverId: value('instance_uuid'),
    status: value('status'),
    type: value('migration_type'),
    sourceHost: value('source_compute'),
    host: value('host'),
    userId: isOwned ? value('user_id') : undefined,
    // Those of other projects are for administrators.
    projectId: caller.isAdmin ? (isOwned ? value('project_id') : undefined) : (caller.projectId ?? ''),
    ...(version >= 59 && { changedSince: timeOf(request, 'changes-since') }),
    ...(version >= 66 && { changedBefore: timeOf(request, 'changes-before') }),
  }
}

function timeOf(request: ApiRequest, key: string): number | undefined {
  const text = queryValue(request, key)
  if (text === undefined) return undefined
  const time = parseTime(text)
  if (time === undefined) throw new LodgeError('badRequest', `Invalid filter field: ${key}.`)
  return time
}

/** Paging and strictness came with 2.59, `changes-before` with 2.66, owners with 2.80. */
function listQuery(): VersionedSchema[] {
  const time = once({ type: 'string', format: 'date-time' })
  const first = {
    hidden: queryPart.text,
    host: queryPart.text,
    instance_uuid: queryPart.text,
    source_compute: queryPart.text,
    status: queryPart.text,
    migration_type: queryPart.text,
  }
  const paged = {
    ...first,
    limit: { ...queryPart.limit, maxItems: 1 },
    marker: once(anyString),
    'changes-since': time,
  }
  const bounded = { ...paged, 'changes-before': time }
  const owned = { ...bounded, user_id: once(anyString), project_id: once(anyString) }
  return [
    { max: 58, schema: object(first, { open: true }) },
    { min: 59, max: 65, schema: object(paged) },
    { min: 66, max: 79, schema: object(bounded) },
    { min: 80, schema: object(owned) },
  ]
}

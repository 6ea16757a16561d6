import { LodgeError } from '../../../base/errors.ts'
import type { Route, VersionedSchema } from '../../common/route.ts'
import { anyString, object, once } from '../../common/schema-parts.ts'
import { queryPart, queryValue } from '../parameters.ts'

/** Reads only: nothing migrates yet, so there are none. */
export const migrationRoutes = (): Route[] => [
  {
    method: 'GET',
    path: '/os-migrations',
    policy: 'os-migrations:index',
    role: 'manager',
    success: 200,
    query: listQuery(),
    summary: 'Lists migrations of all kinds',
    handler: async (request) => {
      const marker = request.version >= 59 ? queryValue(request, 'marker') : undefined
      if (marker !== undefined) throw new LodgeError('badRequest', `Marker ${marker} could not be found.`)
      return { body: { migrations: [] } }
    },
  },
]

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

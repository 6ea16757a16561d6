import { LodgeError } from '../../../base/errors.ts'
import {
  addAggregateHost,
  deleteAggregate,
  getAggregate,
  insertAggregate,
  isAggregateName,
  listAggregates,
  removeAggregateHost,
  updateAggregate,
  zoneKey,
  type Aggregate,
} from '../../../store/aggregates.ts'
import { getHost } from '../../../store/hosts.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiReply, ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { emptyQuery, maxInteger } from '../parameters.ts'
import {
  cacheImagesSchema,
  createAggregateSchema,
  hostSchema,
  setMetadataSchema,
  updateAggregateSchema,
} from './aggregate-schemas.ts'
import { aggregateView, newAggregateView } from './aggregate-view.ts'
import { cacheImages } from './cache-images.ts'
import { checkHostJoins, checkHostLeaves, checkZoneChange } from './zone-rules.ts'

export const aggregateRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-aggregates',
    policy: 'os-aggregates:index',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Lists host aggregates',
    handler: async ({ version }) => {
      const found = await listAggregates(services.store.db)
      return { body: { aggregates: found.map((aggregate) => aggregateView(aggregate, version)) } }
    },
  },
  {
    method: 'POST',
    path: '/os-aggregates',
    policy: 'os-aggregates:create',
    role: 'admin',
    success: 200,
    body: createAggregateSchema,
    summary: 'Creates a host aggregate, which may be that of an availability zone',
    handler: (request) => create(services, request),
  },
  {
    method: 'GET',
    path: '/os-aggregates/:id',
    policy: 'os-aggregates:show',
    role: 'admin',
    success: 200,
    query: emptyQuery,
    summary: 'Shows a host aggregate',
    handler: async (request) => {
      const aggregate = await requireAggregate(services.store.db, request)
      return { body: { aggregate: aggregateView(aggregate, request.version) } }
    },
  },
  {
    method: 'PUT',
    path: '/os-aggregates/:id',
    policy: 'os-aggregates:update',
    role: 'admin',
    success: 200,
    body: updateAggregateSchema,
    summary: 'Renames a host aggregate or changes its availability zone',
    handler: (request) => change(services, request, update),
  },
  {
    method: 'DELETE',
    path: '/os-aggregates/:id',
    policy: 'os-aggregates:delete',
    role: 'admin',
    success: 200,
    summary: 'Deletes a host aggregate that has no hosts',
    handler: (request) => remove(services, request),
  },
  {
    method: 'POST',
    path: '/os-aggregates/:id/action',
    action: 'add_host',
    policy: 'os-aggregates:add_host',
    role: 'admin',
    success: 200,
    body: hostSchema,
    summary: 'Puts a host into an aggregate',
    handler: (request) => change(services, request, addHost),
  },
  {
    method: 'POST',
    path: '/os-aggregates/:id/action',
    action: 'remove_host',
    policy: 'os-aggregates:remove_host',
    role: 'admin',
    success: 200,
    body: hostSchema,
    summary: 'Takes a host out of an aggregate',
    handler: (request) => change(services, request, removeHost),
  },
  {
    method: 'POST',
    path: '/os-aggregates/:id/action',
    action: 'set_metadata',
    policy: 'os-aggregates:set_metadata',
    role: 'admin',
    success: 200,
    body: setMetadataSchema,
    summary: 'Sets keys of the metadata of an aggregate; null removes a key',
    handler: (request) => change(services, request, setMetadata),
  },
  {
    method: 'POST',
    path: '/os-aggregates/:id/images',
    min: 81,
    policy: 'compute:aggregates:images',
    role: 'admin',
    success: 202,
    body: cacheImagesSchema,
    summary: 'Brings images to the hosts of an aggregate ahead of their use',
    handler: async (request) =>
      cacheImages(services, request, await requireAggregate(services.store.db, request)),
  },
]

async function create({ store, clock }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const asked = (request.body as { aggregate: { name: string; availability_zone?: string | null } }).aggregate
  const zone = asked.availability_zone
  const aggregate = await store.transaction(async (trx) => {
    await checkName(trx, asked.name)
    return insertAggregate(trx, asked.name, zone == null ? {} : { [zoneKey]: zone }, clock.now())
  })
  return { body: { aggregate: newAggregateView(aggregate, request.version) } }
}

async function remove({ store }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  await store.transaction(async (trx) => {
    const aggregate = await requireAggregate(trx, request)
    if (aggregate.hosts.length > 0)
      throw new LodgeError(
        'badRequest',
        `Aggregate ${aggregate.number} is not empty: remove its hosts first.`,
      )
    await deleteAggregate(trx, aggregate.number)
  })
  return {}
}

interface Changing {
  trx: Db
  aggregate: Aggregate
  body: unknown
  now: number
  defaultZone: string
}

/** Changes an aggregate in one transaction, and shows what it is then. */
async function change(
  { store, clock, config }: ApiServices,
  request: ApiRequest,
  how: (changing: Changing) => Promise<void>,
): Promise<ApiReply> {
  const changed = await store.transaction(async (trx) => {
    const aggregate = await requireAggregate(trx, request)
    const { defaultAvailabilityZone: defaultZone } = config.hosts
    await how({ trx, aggregate, body: request.body, now: clock.now(), defaultZone })
    return requireAggregate(trx, request)
  })
  return { body: { aggregate: aggregateView(changed, request.version) } }
}

async function update({ trx, aggregate, body, now }: Changing): Promise<void> {
  const asked = (body as { aggregate: { name?: string; availability_zone?: string | null } }).aggregate
  const name = asked.name?.trim()
  if (name !== undefined && name !== aggregate.name) await checkName(trx, name)
  const zone = asked.availability_zone
  await checkZoneChange(trx, aggregate, zone)
  const metadata = zone == null ? undefined : { ...aggregate.metadata, [zoneKey]: zone }
  await updateAggregate(trx, aggregate.number, { name, metadata }, now)
}

async function setMetadata({ trx, aggregate, body, now }: Changing): Promise<void> {
  const { metadata: asked } = body as { metadata: Record<string, string | null> }
  await checkZoneChange(trx, aggregate, asked[zoneKey])
  const merged = Object.entries({ ...aggregate.metadata, ...asked })
  const metadata = Object.fromEntries(merged.filter((pair): pair is [string, string] => pair[1] !== null))
  await updateAggregate(trx, aggregate.number, { metadata }, now)
}

async function addHost({ trx, aggregate, body, now, defaultZone }: Changing): Promise<void> {
  const { host } = body as { host: string }
  if (!(await getHost(trx, host)))
    throw new LodgeError('notFound', `Compute host ${host} could not be found.`)
  await checkHostJoins(trx, aggregate, host, defaultZone)
  await addAggregateHost(trx, aggregate.number, host, now)
}

async function removeHost({ trx, aggregate, body, now, defaultZone }: Changing): Promise<void> {
  const { host } = body as { host: string }
  await checkHostLeaves(trx, aggregate, host, await listAggregates(trx), defaultZone)
  await removeAggregateHost(trx, aggregate.number, host, now)
}

async function checkName(trx: Db, name: string): Promise<void> {
  if (await isAggregateName(trx, name)) throw new LodgeError('conflict', `Aggregate ${name} already exists.`)
}

async function requireAggregate(db: Db, { params: { id = '' } }: ApiRequest): Promise<Aggregate> {
  if (!/^-?\d{1,15}$/.test(id))
    throw new LodgeError('badRequest', `Invalid input for aggregate id ${id}: it must be an integer`)
  const aggregate = Number(id) > maxInteger ? undefined : await getAggregate(db, Number(id))
  if (!aggregate) throw new LodgeError('notFound', `Aggregate ${id} could not be found.`)
  return aggregate
}

import { LodgeError } from '../../../base/errors.ts'
import { newUuid } from '../../../base/ids.ts'
import type { Flavor } from '../../../model/flavor.ts'
import {
  deleteFlavor,
  getFlavor,
  insertFlavor,
  listFlavors,
  setFlavorDescription,
  type FlavorSortKey,
  type FlavorViewer,
} from '../../../store/flavors.ts'
import type { Db } from '../../../store/store.ts'
import { nextLinks, pageOf } from '../../common/paging.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { emptyQuery, parseBoolean, queryValue } from '../parameters.ts'
import { createFlavorSchemas, listFlavorsQuery, updateFlavorSchemas } from './flavor-schemas.ts'
import { flavorSummary, flavorView } from './flavor-view.ts'

export const flavorRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/flavors',
    policy: 'flavors:index',
    role: 'any',
    success: 200,
    query: listFlavorsQuery,
    summary: 'Lists flavors, with id and name',
    handler: (request) => list(services, request, '/flavors', flavorSummary),
  },
  {
    method: 'GET',
    path: '/flavors/detail',
    policy: 'flavors:detail',
    role: 'any',
    success: 200,
    query: listFlavorsQuery,
    summary: 'Lists flavors in full',
    handler: (request) => list(services, request, '/flavors/detail', flavorView),
  },
  {
    method: 'GET',
    path: '/flavors/:id',
    policy: 'flavors:show',
    role: 'any',
    success: 200,
    query: emptyQuery,
    summary: 'Shows a flavor',
    handler: async (request) => {
      const flavor = await requireFlavor(services.store.db, idOf(request), request.caller)
      return { body: { flavor: flavorView(flavor, request) } }
    },
  },
  {
    method: 'POST',
    path: '/flavors',
    policy: 'os-flavor-manage:create',
    role: 'admin',
    success: 200,
    body: createFlavorSchemas,
    summary: 'Creates a flavor',
    handler: async (request) => {
      const flavor = newFlavor((request.body as { flavor: FlavorBody }).flavor, services.clock.now())
      await services.store.transaction((trx) => insertFlavor(trx, flavor))
      return { body: { flavor: flavorView(flavor, request) } }
    },
  },
  {
    method: 'PUT',
    path: '/flavors/:id',
    min: 55,
    policy: 'os-flavor-manage:update',
    role: 'admin',
    success: 200,
    body: updateFlavorSchemas,
    summary: "Changes a flavor's description",
    handler: async (request) => {
      const { description } = (request.body as { flavor: { description: string | null } }).flavor
      const flavor = await requireFlavor(services.store.db, idOf(request))
      await setFlavorDescription(services.store.db, flavor.id, description)
      return { body: { flavor: flavorView({ ...flavor, description }, request) } }
    },
  },
  {
    method: 'DELETE',
    path: '/flavors/:id',
    policy: 'os-flavor-manage:delete',
    role: 'admin',
    success: 202,
    summary: 'Deletes a flavor; servers made with it keep what they have',
    handler: async (request) => {
      const deleted = await services.store.transaction((trx) => deleteFlavor(trx, idOf(request)))
      if (!deleted) throw flavorNotFound(idOf(request))
      return {}
    },
  },
]

/** The flavor, if there is one and, when a viewer is given, the viewer may see it. Throws `notFound`. */
export async function requireFlavor(db: Db, id: string, viewer?: FlavorViewer): Promise<Flavor> {
  const flavor = await getFlavor(db, id, viewer)
  if (!flavor) throw flavorNotFound(id)
  return flavor
}

const flavorNotFound = (id: string): LodgeError =>
  new LodgeError('notFound', `Flavor ${id} could not be found.`)

const idOf = (request: ApiRequest): string => request.params['id'] ?? ''

type View = (flavor: Flavor, request: ApiRequest) => Record<string, unknown>

async function list({ store, config }: ApiServices, request: ApiRequest, path: string, view: View) {
  const { limit, marker } = pageOf(request, config)
  const name = request.version >= 102 ? queryValue(request, 'name') : undefined
  const flavors = await listFlavors(store.db, {
    ...visibility(request),
    minMemoryMiB: minimum(request, 'minRam'),
    minRootGiB: minimum(request, 'minDisk'),
    name,
    sortKey: (queryValue(request, 'sort_key') ?? 'flavorid') as FlavorSortKey,
    sortDirection: queryValue(request, 'sort_dir') === 'desc' ? 'desc' : 'asc',
    marker: marker ?? undefined,
    limit,
  })
  const ids = flavors.map(({ id }) => id)
  const links = nextLinks(request, path, limit, ids)
  return {
    body: {
      flavors: flavors.map((flavor) => view(flavor, request)),
      ...(links.length > 0 && { flavors_links: links }),
    },
  }
}

/** Only administrators choose by `is_public`, and see disabled flavors. */
function visibility({ caller, query }: ApiRequest) {
  const { projectId } = caller
  if (!caller.isAdmin) return { isPublic: true, enabledOnly: true, projectId }
  const word = query['is_public']?.at(-1) ?? 'true'
  if (word.toLowerCase() === 'none') return { isPublic: null, projectId }
  const isPublic = parseBoolean(word)
  if (isPublic === undefined) throw new LodgeError('badRequest', `Invalid is_public filter [${word}]`)
  return { isPublic, projectId }
}

function minimum(request: ApiRequest, key: 'minRam' | 'minDisk'): number | undefined {
  const text = queryValue(request, key)
  if (text === undefined) return undefined
  if (!/^\s*[+-]?\d{1,15}\s*$/.test(text))
    throw new LodgeError('badRequest', `Invalid ${key} filter [${text}]`)
  return Number(text)
}

interface FlavorBody {
  name: string
  id?: string | number | null
  ram: number | string
  vcpus: number | string
  disk: number | string
  'OS-FLV-EXT-DATA:ephemeral'?: number | string
  swap?: number | string
  rxtx_factor?: number | string
  'os-flavor-access:is_public'?: boolean | string
  description?: string | null
}

function newFlavor(body: FlavorBody, now: number): Flavor {
  const isPublic = parseBoolean(body['os-flavor-access:is_public'] ?? true)
  const rxtxFactor = Number(body.rxtx_factor ?? 1)
  if (rxtxFactor <= 0) throw new LodgeError('badRequest', 'rxtx_factor must be greater than 0.')
  return {
    id: body.id === undefined || body.id === null ? newUuid() : String(body.id),
    name: body.name,
    vcpus: Number(body.vcpus),
    memoryMiB: Number(body.ram),
    rootGiB: Number(body.disk),
    ephemeralGiB: Number(body['OS-FLV-EXT-DATA:ephemeral'] ?? 0),
    swapMiB: Number(body.swap ?? 0),
    rxtxFactor,
    isPublic: isPublic ?? true,
    disabled: false,
    description: body.description ?? null,
    extraSpecs: {},
    createdAt: now,
  }
}

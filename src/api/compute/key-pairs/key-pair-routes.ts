import { LodgeError } from '../../../base/errors.ts'
import type { KeyPair } from '../../../model/key-pair.ts'
import { unlimited } from '../../../model/quota.ts'
import {
  countKeyPairs,
  deleteKeyPair,
  getKeyPair,
  insertKeyPair,
  listKeyPairs,
} from '../../../store/key-pairs.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { nextLinks, pageOf } from '../../common/paging.ts'
import { denied } from '../../common/policy.ts'
import type { ApiReply, ApiRequest, ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import { anyString, object, wrapped } from '../../common/schema-parts.ts'
import { queryPart, querySchemas, queryValue } from '../parameters.ts'
import { generateSshKey, importKey } from './key-material.ts'
import { keyPairSummary, keyPairView, newKeyPairView } from './key-pair-view.ts'

export const keyPairRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/os-keypairs',
    policy: 'os-keypairs:index',
    role: 'any',
    success: 200,
    query: [
      ...querySchemas({}, 75, { until: 9 }),
      ...querySchemas({ user_id: queryPart.text }, 75, { since: 10, until: 34 }),
      ...querySchemas({ user_id: queryPart.text, limit: queryPart.limit, marker: queryPart.text }, 75, {
        since: 35,
      }),
    ],
    summary: "Lists the caller's key pairs, or another user's for administrators",
    handler: (request) => list(services, request),
  },
  {
    method: 'POST',
    path: '/os-keypairs',
    policy: 'os-keypairs:create',
    role: 'any',
    success: [
      { max: 1, code: 200 },
      { min: 2, code: 201 },
    ],
    body: createSchemas(),
    summary: 'Imports a public key, or makes a key pair (below 2.92)',
    handler: (request) => create(services, request),
  },
  {
    method: 'GET',
    path: '/os-keypairs/:id',
    policy: 'os-keypairs:show',
    role: 'any',
    success: 200,
    query: ownerQuery(),
    summary: 'Shows a key pair',
    handler: async (request) => {
      const userId = ownerOf(request, 'show', queryOwner(request))
      const keyPair = await getKeyPair(services.store.db, userId, nameOf(request))
      if (!keyPair) throw keyPairNotFound(nameOf(request), userId)
      return { body: { keypair: keyPairView(keyPair, request) } }
    },
  },
  {
    method: 'DELETE',
    path: '/os-keypairs/:id',
    policy: 'os-keypairs:delete',
    role: 'any',
    success: [
      { max: 1, code: 202 },
      { min: 2, code: 204 },
    ],
    query: ownerQuery(),
    summary: 'Deletes a key pair; servers made with it keep the key',
    handler: async (request) => {
      const userId = ownerOf(request, 'delete', queryOwner(request))
      const deleted = await deleteKeyPair(services.store.db, userId, nameOf(request))
      if (!deleted) throw keyPairNotFound(nameOf(request), userId)
      return {}
    },
  },
]

/** Paging came with 2.35; before, all of them are listed. */
async function list({ store, config }: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const userId = ownerOf(request, 'index', queryOwner(request))
  const paged = request.version >= 35
  const page = paged ? pageOf(request, config) : { limit: Number.MAX_SAFE_INTEGER, marker: null }
  const keyPairs = await listKeyPairs(store.db, userId, {
    limit: page.limit,
    marker: page.marker ?? undefined,
  })
  const names = keyPairs.map(({ name }) => name)
  const links = paged ? nextLinks(request, '/os-keypairs', page.limit, names) : []
  return {
    body: {
      keypairs: keyPairs.map((keyPair) => ({ keypair: keyPairSummary(keyPair, request) })),
      ...(links.length > 0 && { keypairs_links: links }),
    },
  }
}

interface CreateBody {
  keypair: { name: string; public_key?: string; type?: KeyPair['type']; user_id?: string }
}

async function create(services: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const { name, public_key, type = 'ssh', user_id } = (request.body as CreateBody).keypair
  const userId = ownerOf(request, 'create', user_id)
  if (public_key === undefined && type === 'x509')
    throw new LodgeError('badRequest', 'Certificates are not made here: give one as public_key')
  const material = public_key === undefined ? await generateSshKey() : importKey(type, public_key)
  const keyPair = {
    name,
    type,
    userId,
    publicKey: material.publicKey,
    fingerprint: material.fingerprint,
    createdAt: services.clock.now(),
  }
  await services.store.transaction(async (trx) => {
    const { key_pairs: most } = await effectiveQuotas(
      trx,
      services.config,
      request.caller.projectId ?? '',
      userId,
    )
    if (most !== unlimited && (await countKeyPairs(trx, userId)) >= most)
      throw new LodgeError('forbidden', 'Quota exceeded, too many key pairs.')
    await insertKeyPair(trx, keyPair)
  })
  return { body: { keypair: newKeyPairView(keyPair, material.privateKey, request) } }
}

/** Whose key pairs are meant. From 2.10 on administrators may name another user. */
function ownerOf({ caller }: ApiRequest, verb: string, asked: string | undefined): string {
  if (asked === undefined || asked === '' || asked === caller.userId) return caller.userId
  if (!caller.isAdmin) throw denied(`os-keypairs:${verb}`)
  return asked
}

const queryOwner = (request: ApiRequest): string | undefined =>
  request.version >= 10 ? queryValue(request, 'user_id') : undefined

const nameOf = (request: ApiRequest): string => request.params['id'] ?? ''

const keyPairNotFound = (name: string, userId: string): LodgeError =>
  new LodgeError('notFound', `Keypair ${name} not found for user ${userId}`)

function ownerQuery(): VersionedSchema[] {
  return [
    ...querySchemas({}, 75, { until: 9 }),
    ...querySchemas({ user_id: queryPart.text }, 75, { since: 10 }),
  ]
}

/** Types came with 2.2, other users' with 2.10; from 2.92 on keys are imported only, and names may hold `@` and `.`. */
function createSchemas(): VersionedSchema[] {
  const name = { type: 'string', minLength: 1, maxLength: 255, format: 'name' }
  const plainName = { ...name, pattern: '^[_\\- a-zA-Z0-9]+$' }
  const public_key = { type: 'string', pattern: '^([^\\p{C}]|[\\r\\n\\t])*$' }
  const type = { type: 'string', enum: ['ssh', 'x509'] }
  const keyPair = (properties: Parameters<typeof object>[0], required = ['name']) =>
    wrapped('keypair', object(properties, { required }))
  const wideName = { ...name, pattern: '^[_\\-@. a-zA-Z0-9]+$' }
  return [
    { max: 1, schema: keyPair({ name: plainName, public_key }) },
    { min: 2, max: 9, schema: keyPair({ name: plainName, public_key, type }) },
    { min: 10, max: 91, schema: keyPair({ name: plainName, public_key, type, user_id: anyString }) },
    {
      min: 92,
      schema: keyPair({ name: wideName, public_key, type, user_id: anyString }, ['name', 'public_key']),
    },
  ]
}

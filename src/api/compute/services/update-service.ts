import { LodgeError } from '../../../base/errors.ts'
import { getService, listServices, updateService, type Service } from '../../../store/services.ts'
import { isUuid } from '../../common/formats.ts'
import type { ApiReply, ApiRequest, ApiServices, VersionedSchema } from '../../common/route.ts'
import { boolean, isTrue, object } from '../../common/schema-parts.ts'

const disabled_reason = { type: 'string', minLength: 1, maxLength: 255 }
const byName = {
  host: { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9\\-._]*$' },
  binary: { type: 'string', minLength: 1, maxLength: 255 },
  disabled_reason,
}

export const updateByNameSchemas: VersionedSchema[] = [
  { max: 10, schema: object(byName, { required: ['host', 'binary'] }) },
  { min: 11, schema: object({ ...byName, forced_down: boolean }, { required: ['host', 'binary'] }) },
]

export const updateByUuidSchema = object({
  status: { type: 'string', enum: ['enabled', 'disabled'] },
  disabled_reason,
  forced_down: boolean,
})

interface ByNameBody {
  host: string
  binary: string
  disabled_reason?: string
  forced_down?: boolean | string
}

/**
 * Below 2.53: `PUT /os-services/<verb>` with host and binary in the body. The answer holds only what was changed.
 */
export async function updateByName(services: ApiServices, request: ApiRequest): Promise<ApiReply> {
  const body = request.body as ByNameBody
  const { host, binary } = body
  const verb = request.params['id'] ?? ''
  const patch = patchOf(verb, body, request.version)
  const { store, clock } = services
  await store.transaction(async (trx) => {
    const [service] = binary === 'nova-compute' ? await listServices(trx, { host, binary }) : []
    if (!service) throw new LodgeError('notFound', `Could not find binary ${binary} on host ${host}.`)
    await updateService(trx, service.id, patch, clock.now())
  })
  if (verb === 'force-down') return { body: { service: { host, binary, forced_down: patch.forcedDown } } }
  const status = patch.disabled ? 'disabled' : 'enabled'
  const reason = verb === 'disable-log-reason' && { disabled_reason: patch.disabledReason }
  return { body: { service: { host, binary, status, ...reason } } }
}

type Patch = Partial<Pick<Service, 'disabled' | 'disabledReason' | 'forcedDown'>>

function patchOf(verb: string, body: ByNameBody, version: number): Patch {
  if (verb === 'enable') return { disabled: false, disabledReason: null }
  if (verb === 'disable') return { disabled: true, disabledReason: null }
  if (verb === 'disable-log-reason') {
    if (body.disabled_reason === undefined)
      throw new LodgeError('badRequest', 'Missing disabled reason field')
    return { disabled: true, disabledReason: body.disabled_reason }
  }
  if (verb === 'force-down' && version >= 11) {
    if (body.forced_down === undefined) throw new LodgeError('badRequest', 'Missing forced_down field')
    return { forcedDown: isTrue(body.forced_down) }
  }
  throw new LodgeError('notFound', 'Unknown action')
}

interface ByUuidBody {
  status?: 'enabled' | 'disabled'
  disabled_reason?: string
  forced_down?: boolean | string
}

/** From 2.53 on: `PUT /os-services/<uuid>`. Returns the service as it is now. */
export async function updateByUuid({ store, clock }: ApiServices, request: ApiRequest): Promise<Service> {
  const id = request.params['id'] ?? ''
  if (!isUuid(id)) throw new LodgeError('badRequest', `Invalid uuid ${id}`)
  return store.transaction(async (trx) => {
    const service = await getService(trx, id)
    if (!service) throw new LodgeError('notFound', `Service ${id} not found.`)
    if (service.binary !== 'nova-compute')
      throw new LodgeError(
        'badRequest',
        `Updating a ${service.binary} service is not supported. Only nova-compute services can be updated.`,
      )
    const patch = patchOfBody(request.body as ByUuidBody)
    await updateService(trx, id, patch, clock.now())
    return { ...service, ...patch, updatedAt: clock.now() }
  })
}

function patchOfBody(body: ByUuidBody): Patch {
  const { status, disabled_reason: reason, forced_down } = body
  if (status === undefined && forced_down === undefined)
    throw new LodgeError(
      'badRequest',
      "No updates were requested. Fields 'status' or 'forced_down' should be specified.",
    )
  if (status === 'enabled' && reason !== undefined)
    throw new LodgeError('badRequest', "Specifying 'disabled_reason' with status 'enabled' is invalid.")
  return {
    ...(status === 'enabled' && { disabled: false, disabledReason: null }),
    ...(status === 'disabled' && { disabled: true, disabledReason: reason ?? null }),
    ...(forced_down !== undefined && { forcedDown: isTrue(forced_down) }),
  }
}

import { LodgeError } from '../../../base/errors.ts'
import { newSecret } from '../../../base/ids.ts'
import type { Server } from '../../../model/server.ts'
import { effectiveQuotas } from '../../../store/quotas.ts'
import { updateServer, type ServerPatch } from '../../../store/servers.ts'
import { resourceLinks } from '../../common/links.ts'
import type { ApiRequest, ApiServices, Route, VersionedSchema } from '../../common/route.ts'
import {
  anyString,
  boolean,
  description,
  ipv4,
  ipv6,
  isTrue,
  metadata,
  name,
  object,
  uuid,
} from '../../common/schema-parts.ts'
import { beginServerAction } from './begin-server-action.ts'
import { dashed, imageFor } from './boot-image.ts'
import { canonicalIpv6 } from './canonical-ipv6.ts'
import { passwordLength } from './admin-password.ts'
import { requireServer } from './find-server.ts'
import { checkMetadataQuota } from './metadata-quota.ts'
import { serverKeyOf } from './server-key.ts'
import { diskConfig, file, hostnameAt, trustedCertificates } from './server-schema-parts.ts'
import { viewServers } from './surroundings.ts'

interface RebuildBody {
  imageRef: string
  name?: string
  adminPass?: string
  metadata?: Record<string, string>
  description?: string | null
  hostname?: string
  key_name?: string | null
  user_data?: string | null
  accessIPv4?: string
  accessIPv6?: string
  'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL'
  preserve_ephemeral?: boolean | string
  personality?: object[]
  trusted_image_certificates?: string[] | null
}

/** The first microversions of each form of the request; a form holds until the next begins. */
const forms = [1, 19, 54, 57, 63, 90, 94]

const bodies: VersionedSchema[] = forms.map((first, index) => {
  const next = forms[index + 1]
  return { min: first, ...(next === undefined ? {} : { max: next - 1 }), schema: bodyAt(first) }
})

function bodyAt(version: number): Record<string, unknown> {
  const nullable = (schema: object): Record<string, unknown> => ({ anyOf: [{ type: 'null' }, schema] })
  return object(
    {
      imageRef: uuid,
      name,
      adminPass: anyString,
      metadata,
      preserve_ephemeral: boolean,
      accessIPv4: ipv4,
      accessIPv6: ipv6,
      'OS-DCF:diskConfig': diskConfig,
      ...(version < 57 ? { personality: { type: 'array', items: file } } : {}),
      ...(version >= 19 ? { description } : {}),
      ...(version >= 54 ? { key_name: nullable(name) } : {}),
      ...(version >= 57
        ? { user_data: nullable({ type: 'string', format: 'base64', maxLength: 65_535 }) }
        : {}),
      ...(version >= 63 ? { trusted_image_certificates: trustedCertificates } : {}),
      ...(version >= 90 ? { hostname: hostnameAt(version) } : {}),
    },
    { required: ['imageRef'] },
  )
}

/** New disks from an image, on the same host, under the same id. What the request does not say stays as it is. */
export const rebuildServerRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'rebuild',
  policy: 'servers:rebuild',
  role: 'member',
  success: 202,
  body: bodies,
  summary: 'Gives a server new disks from an image',
  handler: async (request) => {
    const asked = request.body as RebuildBody
    refuseUnsupported(asked)
    const { db } = services.store
    const { flavor } = await requireServer(db, request)
    const image = await imageFor(db, dashed(asked.imageRef.toLowerCase()), flavor, request.caller)
    const key = asked.key_name == null ? asked.key_name : await serverKeyOf(db, asked.key_name, request)
    const patch: ServerPatch = {
      image,
      key,
      name: asked.name,
      description: asked.description,
      hostname: asked.hostname,
      metadata: asked.metadata,
      userData: asked.user_data,
      accessIpv4: asked.accessIPv4,
      accessIpv6: asked.accessIPv6 === undefined ? undefined : canonicalIpv6(asked.accessIPv6),
      diskConfig: asked['OS-DCF:diskConfig'],
    }
    const params = { formerImage: null as Server['image'], stop: false }
    await beginServerAction(
      services,
      request,
      { name: 'rebuild', guard: 'rebuild', patch: { taskState: 'rebuilding', progress: 0 }, params },
      async (trx, server) => {
        if (asked.metadata)
          checkMetadataQuota(asked.metadata, await effectiveQuotas(trx, services.config, server.projectId))
        params.formerImage = server.image
        params.stop = server.vmState === 'stopped'
        const others = server.image?.id === image.id ? {} : { machineType: null }
        await updateServer(trx, server.id, { ...patch, ...others }, services.clock.now())
      },
    )
    return answer(services, request, asked)
  },
})

async function answer(services: ApiServices, request: ApiRequest, asked: RebuildBody) {
  const { db } = services.store
  const server = await requireServer(db, request)
  const [view] = await viewServers(services, db, [server], request, 'rebuild')
  const password = asked.adminPass ?? newSecret(passwordLength)
  return {
    headers: { location: resourceLinks(request, `/servers/${server.id}`)[0]!.href },
    body: {
      server: { ...view, ...(services.config.api.enableServerPassword ? { adminPass: password } : {}) },
    },
  }
}

/** Asked-for things that Lodge does not have are refused rather than left out in silence. */
function refuseUnsupported(asked: RebuildBody): void {
  if (isTrue(asked.preserve_ephemeral))
    throw new LodgeError(
      'badRequest',
      'Ephemeral disks are made anew by a rebuild: leave preserve_ephemeral out.',
    )
  if ((asked.personality?.length ?? 0) > 0)
    throw new LodgeError('badRequest', 'File injection (personality) is not supported: use user_data.')
  if (asked.trusted_image_certificates != null)
    throw new LodgeError('badRequest', 'Certificates of image signatures are not supported.')
}

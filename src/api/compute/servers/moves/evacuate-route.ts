import { LodgeError } from '../../../../base/errors.ts'
import { newSecret } from '../../../../base/ids.ts'
import type { ApiServices, Route } from '../../../common/route.ts'
import { anyString, boolean, isTrue, object } from '../../../common/schema-parts.ts'
import { passwordLength } from '../admin-password.ts'
import { beginServerAction } from '../begin-server-action.ts'
import { isSourceUp, namedHost } from './check-source.ts'
import { hostNameSchema } from './migrate-route.ts'

interface EvacuateBody {
  host?: string
  force?: boolean | string
  adminPass?: string
  onSharedStorage?: boolean | string
}

const host = { type: 'string', ...hostNameSchema }

/** Builds the server of a dead host anew elsewhere. The answer has a password only until 2.13. */
export const evacuateRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'evacuate',
  policy: 'os-evacuate',
  role: 'admin',
  success: 200,
  body: [
    {
      max: 13,
      schema: object(
        { host, adminPass: anyString, onSharedStorage: boolean },
        { required: ['onSharedStorage'] },
      ),
    },
    { min: 14, max: 28, schema: object({ host, adminPass: anyString }) },
    { min: 29, max: 67, schema: object({ host, adminPass: anyString, force: boolean }) },
    { min: 68, schema: object({ host, adminPass: anyString }) },
  ],
  summary: 'Builds the server of a dead host anew on another',
  handler: async (request) => {
    const asked = request.body as EvacuateBody
    const force = isTrue(asked.force)
    if (force && asked.host === undefined)
      throw new LodgeError('badRequest', "Can't force to a non-provided destination")
    if (isTrue(asked.onSharedStorage) && asked.adminPass !== undefined)
      throw new LodgeError('badRequest', "admin password can't be changed on existing disk")
    const { db } = services.store
    const target = asked.host === undefined ? null : await namedHost(db, asked.host, 'notFound')
    const params = {
      host: target,
      // Until 2.29 a named host was taken as it is.
      force: target !== null && (force || request.version < 29),
      stop: request.version >= 95,
    }
    await beginServerAction(
      services,
      request,
      { name: 'evacuate', guard: 'evacuate', patch: { taskState: 'rebuilding', progress: 0 }, params },
      async (trx, server) => {
        if (target !== null && target === server.host)
          throw new LodgeError('badRequest', "The target host can't be the same one.")
        if (await isSourceUp(services, trx, server))
          throw new LodgeError('badRequest', `Compute service of ${server.host} is still in use.`)
        if (server.vmState === 'stopped') params.stop = true
      },
    )
    if (request.version >= 14) return {}
    const password = asked.adminPass ?? newSecret(passwordLength)
    return { body: services.config.api.enableServerPassword ? { adminPass: password } : {} }
  },
})

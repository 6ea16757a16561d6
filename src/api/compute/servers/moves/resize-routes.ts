import { LodgeError } from '../../../../base/errors.ts'
import { serverFlavorOf } from '../../../../model/flavor.ts'
import type { Server } from '../../../../model/server.ts'
import type { ServerFlavor } from '../../../../model/server-spec.ts'
import { getFlavor } from '../../../../store/flavors.ts'
import { getServer, updateServer } from '../../../../store/servers.ts'
import type { Db } from '../../../../store/store.ts'
import type { ApiRequest, ApiServices, Route } from '../../../common/route.ts'
import { anything, object } from '../../../common/schema-parts.ts'
import { checkResizeQuota } from '../../quotas/check-server-quota.ts'
import { beginServerAction } from '../begin-server-action.ts'
import { requireServer } from '../find-server.ts'
import { diskConfig } from '../server-schema-parts.ts'
import { checkAllowed } from '../guard.ts'
import { needSourceUp } from './check-source.ts'

const path = '/servers/:id/action'

interface ResizeBody {
  flavorRef: string | number
  'OS-DCF:diskConfig'?: 'AUTO' | 'MANUAL'
}

/** resize, confirmResize and revertResize. */
export const resizeRoutes = (services: ApiServices): Route[] => [
  {
    method: 'POST',
    path,
    action: 'resize',
    policy: 'servers:resize',
    role: 'member',
    success: 202,
    body: [
      {
        schema: object(
          { flavorRef: { type: ['string', 'integer'], minLength: 1 }, 'OS-DCF:diskConfig': diskConfig },
          { required: ['flavorRef'] },
        ),
      },
    ],
    summary: 'Gives a server another flavor, which usually moves it to another host',
    handler: async (request) => {
      const body = request.body as ResizeBody
      const { db } = services.store
      const server = await requireServer(db, request)
      checkAllowed(server, 'resize', request.caller)
      const flavor = await flavorFor(db, body.flavorRef, request)
      checkSizes(server.flavor, flavor)
      await beginServerAction(
        services,
        request,
        {
          name: 'resize',
          guard: 'resize',
          patch: {
            taskState: 'resize_prep',
            nextFlavor: flavor,
            progress: 0,
            diskConfig: body['OS-DCF:diskConfig'],
          },
          params: { flavor },
        },
        async (trx, now) => {
          checkSizes(now.flavor, flavor)
          await needSourceUp(services, trx, now)
          await checkResizeQuota(trx, services.config, now, flavor)
        },
      )
      return {}
    },
  },
  {
    method: 'POST',
    path,
    action: 'confirmResize',
    policy: 'servers:confirm_resize',
    role: 'member',
    success: 204,
    body: [{ schema: anything }],
    summary: 'Lets go of what a resized server was before',
    handler: async (request) => {
      await beginServerAction(
        services,
        request,
        {
          name: 'confirmResize',
          guard: 'confirmResize',
          patch: { taskState: 'resize_confirming' },
          params: {},
        },
        needResize,
      )
      return {}
    },
  },
  {
    method: 'POST',
    path,
    action: 'revertResize',
    policy: 'servers:revert_resize',
    role: 'member',
    success: 202,
    body: [{ schema: anything }],
    summary: 'Brings a resized server back to what it was before',
    handler: async (request) => {
      await beginServerAction(
        services,
        request,
        { name: 'revertResize', guard: 'revertResize', patch: { taskState: 'resize_reverting' }, params: {} },
        async (trx, server) => {
          await needResize(trx, server)
          const { oldFlavor } = server
          if (!oldFlavor || oldFlavor.id === server.flavor.id) return
          await checkResizeQuota(trx, services.config, server, oldFlavor)
          await updateServer(trx, server.id, { nextFlavor: oldFlavor }, services.clock.now())
        },
      )
      return {}
    },
  },
]

async function needResize(trx: Db, server: Server): Promise<void> {
  if ((await getServer(trx, server.id))?.resize == null)
    throw new LodgeError('badRequest', 'Instance has not been resized.')
}

async function flavorFor(db: Db, reference: string | number, request: ApiRequest): Promise<ServerFlavor> {
  const id = String(reference)
  const flavor = await getFlavor(db, id, request.caller)
  if (!flavor || flavor.disabled)
    throw new LodgeError('badRequest', `Flavor ${id.slice(0, 255)} could not be found.`)
  return serverFlavorOf(flavor)
}

/** A disk is never made smaller: what the guest has on its end would be lost. */
function checkSizes(before: ServerFlavor, after: ServerFlavor): void {
  if (before.id === after.id)
    throw new LodgeError('badRequest', 'When resizing, instances must change flavor!')
  if (after.rootGiB === 0 && before.rootGiB !== 0)
    throw unresizable('Resize to zero disk flavor is not allowed.')
  if (after.rootGiB < before.rootGiB || after.ephemeralGiB < before.ephemeralGiB)
    throw unresizable('The disks of the flavor are smaller than those of the server.')
}

const unresizable = (reason: string): LodgeError =>
  new LodgeError('badRequest', `Server disk was unable to be resized because: ${reason}`)

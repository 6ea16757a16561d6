import { LodgeError } from '../../../base/errors.ts'
import { getHypervisor } from '../../../store/host-list.ts'
import { denied, hasRole } from '../../common/policy.ts'
import type { ApiRequest, ApiServices, Route } from '../../common/route.ts'
import { boolean, isTrue, object } from '../../common/schema-parts.ts'
import { beginServerAction } from './begin-server-action.ts'

/** With the value `forecast` the server is moved whatever the forecast says; see `fleet.migrationForecast`. */
const confirmHeader = 'x-lodge-confirm'

const host = {
  type: ['string', 'null'],
  minLength: 1,
  maxLength: 255,
  pattern: '^[a-zA-Z0-9-._]*$',
}
const booleanOrAuto = { ...boolean, enum: [...(boolean['enum'] as unknown[]), 'auto'] }
const automatic = { block_migration: booleanOrAuto, host }

interface Body {
  host: string | null
  block_migration: boolean | string
  force?: boolean | string
}

/**
 * A live migration. Whether disks are sent is found out where it is left to us (2.25); what the checks find shows in the
 * action, at every microversion, as Nova does from 2.34 on.
 */
export const liveMigrateRoute = (services: ApiServices): Route => ({
  method: 'POST',
  path: '/servers/:id/action',
  action: 'os-migrateLive',
  policy: 'os-migrate-server:migrate_live',
  role: 'manager',
  success: 202,
  body: [
    {
      max: 24,
      schema: object(
        { block_migration: boolean, disk_over_commit: boolean, host },
        { required: ['block_migration', 'disk_over_commit', 'host'] },
      ),
    },
    { min: 25, max: 29, schema: object(automatic, { required: ['block_migration', 'host'] }) },
    {
      min: 30,
      max: 67,
      schema: object({ ...automatic, force: boolean }, { required: ['block_migration', 'host'] }),
    },
    { min: 68, schema: object(automatic, { required: ['block_migration', 'host'] }) },
  ],
  summary: 'Moves a server to another host while its guest runs on',
  handler: async (request) => {
    const asked = request.body as Body
    checkForce(request, asked)
    if (asked.host !== null && !hasRole(request.caller, 'admin'))
      throw denied('os-migrate-server:migrate_live:host')
    await beginServerAction(
      services,
      request,
      {
        name: 'live-migration',
        guard: 'live-migration',
        patch: { taskState: 'migrating' },
        params: {
          host: asked.host,
          // Below 2.30 a host that was named was not asked about.
          force: asked.host !== null && (request.version < 30 || isTrue(asked.force)),
          blockMigration: asked.block_migration === 'auto' ? 'auto' : isTrue(asked.block_migration),
          ...(request.headers[confirmHeader] === 'forecast' && { confirmed: true }),
        },
      },
      async (trx, server) => {
        if (asked.host === null) return
        if (!(await getHypervisor(trx, { name: asked.host })))
          throw new LodgeError('badRequest', `Compute host ${asked.host} could not be found.`)
        if (asked.host === server.host && request.version < 34)
          throw new LodgeError(
            'badRequest',
            `Unable to migrate instance (${server.id}) to current host (${server.host}).`,
          )
      },
    )
    return {}
  },
})

function checkForce({ version }: ApiRequest, { force, host: named }: Body): void {
  if (version >= 30 && version < 68 && isTrue(force) && named === null)
    throw new LodgeError('badRequest', "Can't force to a non-provided destination")
}

import type { ActionParams } from '../../model/action.ts'
import { powerState } from '../../model/server-state.ts'
import { otherHostOf, release } from '../../store/allocations.ts'
import { endMovesOfDeleted } from '../../store/server-migrations.ts'
import { markServerDeleted } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { enterWith, settle } from '../server-change.ts'
import type { ActionDefinition, ActionScene, Change, Step } from '../step.ts'
import { powerOffCommand } from './stop.ts'

const isSoft = ({ action }: ActionScene): boolean => (action.params as ActionParams['delete']).soft === true

/** All that a soft delete does. A host that is down has nothing that runs. */
const powerOff: Step = {
  name: 'power-off',
  event: 'compute_soft_delete_instance',
  enter: async (trx, scene) => (isSoft(scene) ? enterWith(trx, scene, {}) : { kind: 'ok', skip: true }),
  command: async (scene) => (scene.server.host === null ? null : powerOffCommand(scene)),
  hostDown: 'skip',
  leave: (trx, scene) =>
    settle(trx, scene, { vmState: 'soft-delete', taskState: null }, { powerState: powerState.SHUTDOWN }),
}

/**
 * Removes the guest from its host, then the server: its claim, its tags and its record's place among the living, in
 * one transaction. Where the host is down the record goes at once (Nova's local delete) and the host's census
 * removes the guest when the host is back.
 */
const destroy: Step = {
  name: 'destroy',
  event: 'compute_terminate_instance',
  enter: async (trx, scene) => (isSoft(scene) ? { kind: 'ok', skip: true } : enterWith(trx, scene, {})),
  command: async ({ server }) =>
    server.host === null ? null : { host: server.host, verb: 'destroy', params: {} },
  hostDown: 'skip',
  sameHostTries: Infinity,
  leave: async (trx, scene) => {
    const { server } = scene
    return (await otherHostOf(trx, server.id, server.host)) === null ? forget(trx, scene) : {}
  },
}

/** What another host has of a server that was on its way there, or from there. */
const destroyElsewhere: Step = {
  name: 'destroy-elsewhere',
  event: 'compute_terminate_instance',
  enter: async (trx, scene) => {
    const { server } = scene
    const other = isSoft(scene) ? null : await otherHostOf(trx, server.id, server.host)
    return { kind: 'ok', skip: other === null, progress: { other } }
  },
  eventHost: ({ action }) => action.progress['other'] as string,
  command: async ({ action }) => ({ host: action.progress['other'] as string, verb: 'destroy', params: {} }),
  hostDown: 'skip',
  sameHostTries: Infinity,
  leave: forget,
}

async function forget(trx: Db, { server, context }: ActionScene): Promise<Change> {
  for (const { host, resources } of await release(trx, server.id)) context.hosts.take(host, resources, -1)
  await trx.deleteFrom('server_tags').where('server_id', '=', server.id).execute()
  await endMovesOfDeleted(trx, server.id, context.clock.now())
  await markServerDeleted(trx, server.id, context.clock.now())
  return {}
}

/** Any state → DELETED, or SOFT_DELETED. A failure ends in ERROR, from which the user may delete again. */
export const deleteAction: ActionDefinition = {
  name: 'delete',
  tasks: ['deleting', 'soft-deleting'],
  steps: [powerOff, destroy, destroyElsewhere],
  failed: () => ({ vmState: 'error' }),
}

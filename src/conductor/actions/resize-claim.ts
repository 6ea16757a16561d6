import type { Fault } from '../../contract/command.ts'
import type { ActionParams } from '../../model/action.ts'
import type { Resources, ServerFlavor } from '../../model/server-spec.ts'
import { requestedResources } from '../../scheduler/requested-resources.ts'
import { hostsOfAllocations, release, resizeAllocation } from '../../store/allocations.ts'
import { updateMigration } from '../../store/server-migrations.ts'
import { compareAndSetTask } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { settle } from '../server-change.ts'
import { hostOf } from '../spec-of.ts'
import type { ActionScene, Entered, Step } from '../step.ts'
import { claimDestination } from './claim-destination.ts'
import { moveOf, movesSoFar } from './move-progress.ts'
import { recordMigration } from './migration-record.ts'

/** The flavor that the server is to have: a cold migration keeps it. */
export const newFlavorOf = ({ action, server }: ActionScene): ServerFlavor =>
  action.name === 'resize'
    ? (action.params as unknown as ActionParams['resize']).flavor
    : ((action.progress['oldFlavor'] as ServerFlavor | undefined) ?? server.flavor)

/** Chooses the destination and takes its resources: from here on both hosts hold the server. */
export const resizeClaim: Step = {
  name: 'claim',
  event: 'cold_migrate',
  enter,
  undo: {
    write: async (trx, scene) => {
      const { dest, source, oldFlavor, abandoned = [], stuck } = moveOf(scene)
      if (dest === source) await back(trx, scene, source, requestedResources(oldFlavor))
      else await giveBack(trx, scene, dest)
      const change = await settle(trx, scene, stuck ? {} : { taskState: 'resize_prep' })
      return { ...change, progress: { abandoned: [...abandoned, dest] } }
    },
  },
}

async function enter(trx: Db, scene: ActionScene): Promise<Entered> {
  const { context, server, action, definition } = scene
  const now = context.clock.now()
  const { abandoned = [], migrationId, ...before } = movesSoFar(scene)
  const source = before.source ?? hostOf(scene)
  const oldFlavor = before.oldFlavor ?? server.flavor
  const oldVmState = before.oldVmState ?? server.vmState
  const flavor = newFlavorOf(scene)
  const mayStay = action.name === 'resize' && context.config.fleet.resizeOnSameHost
  const chosen = await claimDestination(trx, scene, {
    flavor,
    // What is left on a host that was evacuated must be gone before the server may come back to it.
    excluded: [...abandoned, source, ...(await hostsOfAllocations(trx, server.id))],
    requestedHost: requestedHost(scene),
  })
  let dest = chosen !== 'wait' && 'host' in chosen ? chosen.host : null
  // Only where no other host takes it: a move is a chance to even out.
  const both = bothOnOneHost(requestedResources(oldFlavor), requestedResources(flavor))
  if (dest === null && mayStay && !abandoned.includes(source) && (await back(trx, scene, source, both)))
    dest = source
  if (dest === null) {
    if (chosen === 'wait') return { kind: 'wait' }
    return { kind: 'failed', fault: (chosen as { fault: Fault }).fault }
  }
  const id =
    migrationId ??
    (await recordMigration(trx, scene, {
      type: scene.action.name === 'resize' ? 'resize' : 'migration',
      status: 'pre-migrating',
      sourceHost: source,
      destHost: dest,
      oldFlavorId: oldFlavor.id,
      newFlavorId: flavor.id,
    }))
  if (migrationId !== undefined)
    await updateMigration(trx, id, { destHost: dest, status: 'pre-migrating' }, now)
  const patch = {
    taskState: 'resize_prep',
    resize: { migrationId: id, sourceHost: source, destHost: dest, oldVmState },
  } as const
  if (!(await compareAndSetTask(trx, server.id, { expectTask: definition.tasks }, patch, now))) {
    if (dest === source) await back(trx, scene, source, requestedResources(oldFlavor))
    else await giveBack(trx, scene, dest)
    if (migrationId === undefined) await updateMigration(trx, id, { status: 'error' }, now)
    return { kind: 'superseded' }
  }
  return {
    kind: 'ok',
    server: patch,
    progress: { migrationId: id, source, dest, oldVmState, oldFlavor, abandoned, offer: undefined },
  }
}

/** A requested destination is not replaced by another. */
export const requestedHost = ({ action }: ActionScene): string | null =>
  (action.params as Partial<ActionParams['migrate']>).host ?? null

/** The guest is there once, its disk twice until the resize is confirmed. */
const bothOnOneHost = (before: Resources, after: Resources): Resources => ({
  vcpus: Math.max(before.vcpus, after.vcpus),
  memoryMiB: Math.max(before.memoryMiB, after.memoryMiB),
  diskGiB: before.diskGiB + after.diskGiB,
})

/** What the server holds of the one host that it stays on becomes `resources`. */
export async function back(
  trx: Db,
  { server, context }: ActionScene,
  host: string,
  resources: Resources,
): Promise<boolean> {
  const done = await resizeAllocation(trx, { serverId: server.id, host, resources })
  if (done) context.hosts.invalidate([host])
  return done
}

/** What the server holds of the host is given back. */
export async function giveBack(trx: Db, { server, context }: ActionScene, host: string): Promise<void> {
  for (const { resources } of await release(trx, server.id, host)) context.hosts.take(host, resources, -1)
}

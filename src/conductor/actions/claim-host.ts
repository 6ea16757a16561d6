import type { ActionParams } from '../../model/action.ts'
import type { PlacementReasons } from '../../model/placement.ts'
import { resourcesOf } from '../../model/server-spec.ts'
import { place, type PlaceResult } from '../../scheduler/place.ts'
import { claim, release } from '../../store/allocations.ts'
import { insertPlacement } from '../../store/placements.ts'
import { compareAndSetTask, type ServerPatch } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { faultOf } from '../faults.ts'
import type { ActionScene, Entered } from '../step.ts'

/** How the details of a fault of the scheduler begin. */
export const noHostMark = 'No host fits: '

/** Candidates that are tried to be claimed before the hosts are looked at anew. */
const candidates = 5
/** How often the hosts are looked at anew when others were faster at all candidates. */
const rounds = 3

/**
 * Chooses a host and takes its resources, in the given transaction: the choice is the scheduler's, the judge is the
 * claim's conditional update. Writes the server's host, its task `spawning` and the reasons.
 */
export async function claimHost(trx: Db, scene: ActionScene): Promise<Entered> {
  const { context, server, definition } = scene
  const now = context.clock.now()
  const resources = resourcesOf(server.flavor)
  for (let round = 1; round <= rounds; round += 1) {
    await context.hosts.ensure(trx)
    const placed = choose(scene)
    for (const host of placed.candidates) {
      if (!(await claim(trx, { serverId: server.id, host, resources }, now))) continue
      const patch: ServerPatch = { host, taskState: 'spawning' }
      if (!(await compareAndSetTask(trx, server.id, { expectTask: definition.tasks }, patch, now)))
        return giveBack(trx, scene)
      context.hosts.take(host, resources, 1)
      await keepReasons(trx, scene, host, placed.reasons)
      return { kind: 'ok', server: patch }
    }
    const isLastWord = placed.candidates.length === 0 || placed.reasons.forced || round === rounds
    if (isLastWord) return noHost(trx, scene, placed)
    context.hosts.invalidate()
  }
  return { kind: 'wait' }
}

function choose(scene: ActionScene): PlaceResult {
  const { context, server, action } = scene
  const { ramWeight, cpuWeight, diskWeight } = context.config.scheduler
  const params = action.params as ActionParams['create']
  return place(
    {
      seed: server.id,
      resources: resourcesOf(server.flavor),
      availabilityZone: server.availabilityZone,
      forcedHost: params.forcedHost,
      requestedHost: params.requestedHost,
      excluded: (action.progress['abandoned'] as string[] | undefined) ?? [],
    },
    context.hosts.states(),
    { ramWeight, cpuWeight, diskWeight, candidates },
  )
}

/** The server was taken over while we chose: the claim is given back, so that nothing has been written. */
async function giveBack(trx: Db, scene: ActionScene): Promise<Entered> {
  await release(trx, scene.server.id)
  return { kind: 'superseded' }
}

async function noHost(trx: Db, scene: ActionScene, placed: PlaceResult): Promise<Entered> {
  const { context, server, definition } = scene
  const now = context.clock.now()
  if (!(await compareAndSetTask(trx, server.id, { expectTask: definition.tasks }, {}, now)))
    return { kind: 'superseded' }
  if (context.hosts.settling()) {
    context.hosts.invalidate()
    return { kind: 'wait' }
  }
  await keepReasons(trx, scene, null, placed.reasons)
  return {
    kind: 'failed',
    fault: faultOf('No valid host was found. There are not enough hosts available.', {
      details: `${noHostMark}${inWords(placed.reasons)}`,
    }),
  }
}

const keepReasons = (
  trx: Db,
  { action, server, context }: ActionScene,
  chosenHost: string | null,
  reasons: PlacementReasons,
): Promise<void> =>
  insertPlacement(trx, {
    requestId: action.requestId,
    serverId: server.id,
    chosenHost,
    reasons,
    now: context.clock.now(),
  })

const filterWords: Record<PlacementReasons['rejected'][number]['filter'], string> = {
  'already-tried': 'failed to build it before',
  'not-requested': 'not the host that was asked for',
  down: 'down',
  disabled: 'disabled',
  'forced-down': 'forced down',
  'availability-zone': 'in another availability zone',
  vcpus: 'not enough vCPUs left',
  memory: 'not enough memory left',
  disk: 'not enough disk left',
}

/** The reasons as a sentence for the operator. */
function inWords({ hosts, rejected, candidates: chosen, forced }: PlacementReasons): string {
  if (hosts === 0) return 'there are no hosts'
  if (forced && chosen[0]) return `${chosen[0].host}, which was asked for, has not enough left`
  const parts = rejected.map(({ filter, count, hosts: names }) => {
    const more = count > names.length ? ', ...' : ''
    return `${count} ${filterWords[filter]} (${names.join(', ')}${more})`
  })
  return `of ${hosts} hosts ${parts.join('; ')}`
}

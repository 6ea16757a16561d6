import type { Fault, SpawnResult } from '../../contract/command.ts'
import type { ActionParams } from '../../model/action.ts'
import { release } from '../../store/allocations.ts'
import { attemptOf } from '../scene.ts'
import { settle } from '../server-change.ts'
import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, Step } from '../step.ts'
import { noHostMark } from '../place-server.ts'
import { claimHost } from './claim-host.ts'

/** Takes a host's resources. The server's change of host and the task of the step that follows are written with it. */
const claim: Step = {
  name: 'claim',
  event: 'schedule_instances',
  enter: claimHost,
  undo: {
    write: async (trx, scene) => {
      const { context, server } = scene
      for (const { host, resources } of await release(trx, server.id)) context.hosts.take(host, resources, -1)
      return settle(trx, scene, { taskState: 'scheduling' }, { host: null })
    },
  },
}

const spawn: Step = {
  name: 'spawn',
  event: 'compute__do_build_and_run_instance',
  command: async (scene) => ({
    host: hostOf(scene),
    verb: 'spawn',
    params: { spec: await specOf(scene) },
  }),
  leave: async (trx, scene, result) => {
    const { powerState, machineType, rootDeviceName } = result as SpawnResult
    const now = scene.context.clock.now()
    scene.context.hosts.buildEnded(hostOf(scene), true)
    return settle(
      trx,
      scene,
      { vmState: 'active', taskState: null, progress: 100 },
      { powerState, machineType, rootDeviceName, launchedAt: now },
    )
  },
  undo: {
    command: async (scene) =>
      scene.server.host === null ? null : { host: scene.server.host, verb: 'destroy', params: {} },
    // Noted so that the host's census may remove what could not be removed now.
    write: async (_trx, scene) => {
      scene.context.hosts.buildEnded(hostOf(scene), false)
      return { progress: { abandoned: [...abandonedHosts(scene), hostOf(scene)] } }
    },
  },
}

/**
 * BUILD: scheduling → spawning → ACTIVE. A host whose build fails for a reason of its own gives its place to the
 * next, up to `scheduler.maxAttempts`; a forced host is not replaced. ERROR without a host when nothing is left.
 */
export const createAction: ActionDefinition = {
  name: 'create',
  tasks: ['scheduling', 'networking', 'block_device_mapping', 'spawning'],
  steps: [claim, spawn],
  again: (scene, fault) => fault.retry === 'other-host' && !isForced(scene) && attemptsLeft(scene),
  failed: () => ({ vmState: 'error', powerState: 0, progress: 0 }),
  finalFault: (scene, fault) => {
    const last = lastBuildFault(scene, fault)
    if (!last) return fault
    return {
      ...fault,
      code: 500,
      message:
        'Exceeded maximum number of retries. Exhausted all hosts available for retrying build failures for ' +
        `instance ${scene.server.id}. Last: ${last.message}`,
      details: last.details || last.message,
    }
  },
}

/** Hosts that may still hold something of a failed build. */
const abandonedHosts = (scene: ActionScene): string[] =>
  (scene.action.progress['abandoned'] as string[] | undefined) ?? []

const isForced = (scene: ActionScene): boolean =>
  (scene.action.params as ActionParams['create']).forcedHost != null

const attemptsLeft = (scene: ActionScene): boolean =>
  attemptOf(scene.action) < scene.context.config.scheduler.maxAttempts

/** The fault of the last build that could have gone on elsewhere, if it was the hosts that ran out. */
function lastBuildFault(scene: ActionScene, fault: Fault): Fault | null {
  if (fault.retry === 'other-host' && !isForced(scene)) return fault
  const last = scene.action.progress['lastFault'] as Fault | undefined
  return fault.details.startsWith(noHostMark) && last ? last : null
}

import type { SpawnResult } from '../../contract/command.ts'
import type { ActionParams } from '../../model/action.ts'
import { powerState } from '../../model/server-state.ts'
import { filterRefusingImage } from '../../scheduler/refuses-image.ts'
import type { Db } from '../../store/store.ts'
import { noHostMark } from '../place-server.ts'
import { enterWith, settle } from '../server-change.ts'
import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, Entered, Step } from '../step.ts'
import { noHostFault } from './placement-outcome.ts'
import { powerOffCommand } from './stop.ts'

const paramsOf = ({ action }: ActionScene): ActionParams['rebuild'] =>
  action.params as unknown as ActionParams['rebuild']

/** Another image may be one that the host is not for. */
const judge: Step = {
  name: 'judge',
  event: 'rebuild_server',
  enter: async (trx, scene) =>
    paramsOf(scene).formerImage?.id === scene.server.image?.id
      ? enterWith(trx, scene, {})
      : judgeImage(trx, scene),
}

/** The guest is asked to go, as before a stop, for the sake of what it serves: its disks go anyway. */
const shutDown: Step = {
  name: 'shut-down',
  event: null,
  enter: async (_trx, { server }) => ({ kind: 'ok', skip: server.powerState !== powerState.RUNNING }),
  command: powerOffCommand,
}

const clear: Step = {
  name: 'clear',
  event: null,
  enter: async () => ({ kind: 'ok', progress: { cleared: true } }),
  command: async (scene) => ({ host: hostOf(scene), verb: 'destroy', params: {} }),
}

const spawn: Step = {
  name: 'spawn',
  event: 'compute_rebuild_instance',
  enter: (trx, scene) => enterWith(trx, scene, { taskState: 'rebuild_spawning' }),
  command: async (scene) => ({ host: hostOf(scene), verb: 'spawn', params: { spec: await specOf(scene) } }),
  leave: async (trx, scene, result) => {
    const { powerState: power, machineType, rootDeviceName } = result as SpawnResult
    const change = await settle(
      trx,
      scene,
      {
        vmState: 'active',
        taskState: paramsOf(scene).stop ? 'powering-off' : null,
        launchedAt: scene.context.clock.now(),
      },
      { powerState: power, machineType, rootDeviceName },
    )
    return { ...change, progress: { arrived: true } }
  },
}

const stop: Step = {
  name: 'stop',
  event: 'compute_stop_instance',
  enter: async (trx, scene) =>
    paramsOf(scene).stop ? enterWith(trx, scene, {}) : { kind: 'ok', skip: true },
  command: powerOffCommand,
  leave: (trx, scene) =>
    settle(trx, scene, { vmState: 'stopped', taskState: null }, { powerState: powerState.SHUTDOWN }),
}

/**
 * Gives the server new disks from an image, on the host that it is on, and keeps its id and its claim: REBUILD →
 * ACTIVE, or SHUTOFF for one that was stopped. A failure ends in ERROR; before the old disks are gone, such as where the
 * host is not for the image, it leaves the server its former image.
 */
export const rebuildAction: ActionDefinition = {
  name: 'rebuild',
  tasks: ['rebuilding', 'rebuild_spawning', 'powering-off'],
  steps: [judge, shutDown, clear, spawn, stop],
  failed: (scene) => {
    const { cleared, arrived } = scene.action.progress
    if (arrived) return { vmState: 'active' }
    return { vmState: 'error', ...(cleared ? {} : { image: paramsOf(scene).formerImage }) }
  },
}

async function judgeImage(trx: Db, scene: ActionScene): Promise<Entered> {
  const { context, server } = scene
  await context.hosts.refresh(trx)
  const filter = filterRefusingImage(server, server.image!, context.hosts.table(), context.config.scheduler)
  if (filter === undefined) return enterWith(trx, scene, {})
  return {
    kind: 'failed',
    fault: noHostFault(`${noHostMark}${filter} keeps this image from host ${hostOf(scene)}`),
  }
}

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { systemClock, type Clock } from '../../../src/base/clock.ts'
import { defaultConfig, type Config } from '../../../src/base/config.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { newRequestId, newUuid } from '../../../src/base/ids.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import { createInProcessBus } from '../../../src/bus/in-process.ts'
import type { Bus } from '../../../src/bus/bus.ts'
import { createConductor, type Conductor } from '../../../src/conductor/conductor.ts'
import {
  actionDeadline,
  type Action,
  type ActionParams,
  type ConductedAction,
} from '../../../src/model/action.ts'
import { allowedStates } from '../../../src/model/allowed-states.ts'
import type { Server } from '../../../src/model/server.ts'
import type { ServerImage } from '../../../src/model/server-spec.ts'
import type { TaskState } from '../../../src/model/server-state.ts'
import { beginAction } from '../../../src/store/actions.ts'
import { addGroupMember } from '../../../src/store/server-groups.ts'
import { getServer, insertServer } from '../../../src/store/servers.ts'
import type { Store } from '../../../src/store/store.ts'
import { openTestStore } from '../../support/test-store.ts'

/** A store, a bus and a conductor that can be crashed, and what the API would do with them. */
export interface Stage {
  store: Store
  bus: Bus
  config: Config
  conductor(): Conductor
  /** Starts a conductor of a new life; the former must have been stopped or crashed. */
  startConductor(options?: { crashAt?: string; failpoint?: (point: string) => void }): Promise<Conductor>
  create(options?: CreateOptions): Promise<Server>
  act<N extends ConductedAction>(
    server: Server,
    name: N,
    params: ActionParams[N],
    task: TaskState,
  ): Promise<Action | null>
  server(id: string): Promise<Server>
  /** Waits until `what` is true, five seconds at most. */
  until(what: () => Promise<boolean> | boolean): Promise<void>
  close(): Promise<void>
}

export interface CreateOptions {
  vcpus?: number
  memoryMiB?: number
  rootGiB?: number
  params?: ActionParams['create']
  availabilityZone?: string
  /** Id of the server group. */
  group?: string
  requestId?: string
  /** Absent: one that exists nowhere. */
  image?: ServerImage
}

export async function openStage(
  configure: (config: Config) => void = () => undefined,
  clock: Clock = systemClock,
): Promise<Stage> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-conductor-'))
  const store = await openTestStore(join(directory, 'lodge.db'))
  const bus = createInProcessBus()
  const config = structuredClone(defaultConfig)
  configure(config)
  let conductor: Conductor | undefined
  const now = () => clock.now()

  const stage: Stage = {
    store,
    bus,
    config,
    conductor: () => conductor!,
    startConductor: async ({ crashAt, failpoint } = {}) => {
      conductor = createConductor({
        store,
        bus,
        clock,
        log: silentLogger(),
        config,
        id: newUuid(),
        takeOverAll: true,
        failpoint: crashAt === undefined ? failpoint : crashAtEach(crashAt),
      })
      await conductor.start()
      return conductor
    },
    create: async (options = {}) => {
      const server = await store.transaction(async (trx) => {
        const server = await insertServer(trx, newServer(options, now()))
        if (options.group !== undefined) await addGroupMember(trx, options.group, server.id)
        await beginAction(trx, {
          serverId: server.id,
          name: 'create',
          requestId: options.requestId ?? newRequestId(),
          projectId: server.projectId,
          userId: server.userId,
          params: options.params ?? {},
          now: now(),
          deadline: actionDeadline('create', now(), config.conductor),
        })
        return server
      })
      conductor?.wake()
      return server
    },
    act: async (server, name, params, task) => {
      const allowed = allowedStates[name as keyof typeof allowedStates] ?? allowedStates['reboot-hard']
      const action = await store.transaction((trx) =>
        beginAction(trx, {
          serverId: server.id,
          name,
          requestId: newRequestId(),
          projectId: server.projectId,
          userId: server.userId,
          params,
          now: now(),
          deadline: actionDeadline(name, now(), config.conductor),
          change: { allowed, patch: { taskState: task } },
        }),
      )
      conductor?.wake()
      return action
    },
    server: async (id) => (await getServer(store.db, id, { deleted: true }))!,
    until: async (what) => {
      const end = Date.now() + 5000
      while (!(await what())) {
        if (Date.now() > end) throw new LodgeError('timeout', `waited in vain for: ${what}`)
        await new Promise((resolve) => {
          setTimeout(resolve, 5)
        })
      }
    },
    close: async () => {
      await conductor?.stop()
      await store.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return stage
}

/** Every action that comes to this point ends there as if the process had died; nothing after it is written. */
function crashAtEach(point: string): (point: string) => void {
  return (reached) => {
    if (reached === point) throw new LodgeError('gone', 'crashed')
  }
}

function newServer(options: CreateOptions, now: number) {
  const id = newUuid()
  return {
    id,
    projectId: 'project',
    userId: 'user',
    name: `server-${id.slice(0, 4)}`,
    hostname: 'server',
    availabilityZone: options.availabilityZone ?? null,
    flavor: {
      id: '1',
      name: 'tiny',
      vcpus: options.vcpus ?? 1,
      memoryMiB: options.memoryMiB ?? 64,
      rootGiB: options.rootGiB ?? 1,
      ephemeralGiB: 0,
      swapMiB: 0,
      extraSpecs: {},
    },
    image: options.image ?? {
      id: 'image',
      name: 'image',
      diskFormat: 'qcow2' as const,
      sizeBytes: 1,
      sha512: 'aa',
      minDiskGiB: 0,
      properties: {},
    },
    key: null,
    userData: null,
    configDrive: false,
    metadata: {},
    schedulerHints: options.group === undefined ? {} : { group: options.group },
    diskConfig: 'AUTO' as const,
    reservationId: 'r-1',
    launchIndex: 0,
    createdAt: now,
  }
}

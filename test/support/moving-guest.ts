/** A real guest in a lab that counts on its console, to be moved about by a conductor and the agents of the hosts. */
import assert from 'node:assert/strict'
import { constants, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ReadStream } from 'node:tty'
import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError, messageOf } from '../../src/base/errors.ts'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import type { ActionParams } from '../../src/model/action.ts'
import type { Migration } from '../../src/model/migration.ts'
import type { Server } from '../../src/model/server.ts'
import { powerState } from '../../src/model/server-state.ts'
import { latestFaults } from '../../src/store/server-faults.ts'
import { listMigrations } from '../../src/store/server-migrations.ts'
import { openStage, type Stage } from '../functional/conductor/stage.ts'
import { startLabAgents, type LabAgent, type LabAgents, type LabAgentsOptions } from './lab-agents.ts'
import { until } from './until.ts'

export interface MovingGuest {
  lab: Lab
  stage: Stage
  agents: LabAgents
  /** As last read by `assertAt`. */
  server(): Server
  agentAt(host: string): LabAgent
  /** Any host but the server's. */
  elsewhere(): string
  /** Another guest on the host, which may still be booting. */
  createAnother(host: string): Promise<Server>
  /** Begins to move it; its migration is recorded when this returns. */
  begin(host: string, server?: Server, params?: Partial<ActionParams['live-migration']>): Promise<void>
  /** The server's last one. */
  migration(server?: Server): Promise<Migration>
  untilStatus(status: string, server?: Server): Promise<Migration>
  /** Waits until nothing is at work, and holds that store, hosts and disks say that it is here, and nowhere else. */
  assertAt(host: string): Promise<void>
  /** Types a line at the guest's console. */
  type(line: string): Promise<void>
  /** All that the guest has said since it came to where it is. */
  console(): Promise<string>
  /** What the guest has counted to. */
  count(): Promise<number>
  /** The guest counts on: waits for it, and gives what it has come to. */
  countsOn(): Promise<number>
  /** The guest writes `MiB` of memory again and again until it is told `false`. */
  writes(mebibytes: number | false): Promise<void>
  stop(): Promise<void>
}

/** Ten times a second: the counter is what shows a halt. */
const counter = 'i=0; while :; do i=$((i+1)); echo "count $i"; sleep 0.1; done &'

export async function startMovingGuest(
  options: LabAgentsOptions & { hosts?: number } = {},
): Promise<MovingGuest> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-live-'))
  let lab: Lab | undefined
  let stage: Stage | undefined
  let agents: LabAgents | undefined
  const stop = async (): Promise<void> => {
    await agents?.stop()
    await stage?.close()
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  }
  try {
    lab = await startLab({ hosts: options.hosts ?? 3, directory: join(directory, 'lab') })
    stage = await openStage()
    await stage.startConductor()
    agents = await startLabAgents(lab, stage.bus, join(directory, 'agents'), options)
    return await makeGuest(lab, stage, agents, stop)
  } catch (error) {
    await stop()
    throw error
  }
}

async function makeGuest(
  lab: Lab,
  stage: Stage,
  agents: LabAgents,
  stop: () => Promise<void>,
): Promise<MovingGuest> {
  const names = lab.hosts.map(({ name }) => name)
  const agentAt = (host: string): LabAgent => agents.agents.get(host)!
  const { db } = stage.store
  await stage.until(async () => (await db.selectFrom('hosts').select('id').execute()).length === names.length)

  async function create(): Promise<Server> {
    const { id } = await stage.create({ image: agents.image, memoryMiB: 128, rootGiB: 1 })
    await stage.conductor().idle()
    const created = await stage.server(id)
    assert.equal(created.vmState, 'active', (await latestFaults(db, [id])).get(id)?.details)
    return created
  }
  const consoleOf = (of: Server): Promise<string> => agentAt(of.host!).disks.readConsole(of.id, null)

  async function type(line: string): Promise<void> {
    const { stdout } = await agentAt(server.host!).host.exec(['virsh', 'ttyconsole', server.id])
    const file = openSync(stdout.trim(), constants.O_RDWR | constants.O_NOCTTY)
    // Whoever listens must read, or the guest cannot write any more.
    const pty = new ReadStream(file).resume()
    try {
      // QEMU looks once a second whether there is somebody.
      await delay(1500)
      for (const character of `${line}\n`) {
        writeSync(file, character)
        // As fast as somebody types: the guest's serial port has room for sixteen characters.
        await delay(4)
      }
      await delay(200)
    } finally {
      pty.destroy()
    }
  }

  async function hostsWhere(has: (agent: LabAgent) => Promise<boolean>): Promise<string[]> {
    const found: string[] = []
    for (const name of names) if (await has(agentAt(name))) found.push(name)
    return found
  }

  async function count(): Promise<number> {
    return Number([...(await consoleOf(server)).matchAll(/count (\d+)\r?\n/g)].at(-1)?.[1] ?? 0)
  }

  async function begin(
    host: string,
    of = server,
    params: Partial<ActionParams['live-migration']> = {},
  ): Promise<void> {
    const asked = { host, force: false, blockMigration: 'auto', ...params } as const
    const before = await migration(of)
    assert.ok(await stage.act(await stage.server(of.id), 'live-migration', asked, 'migrating'))
    await until('a destination', 30_000, async () => (await migration(of))?.id !== before?.id, 10)
  }

  const migration = async (of = server): Promise<Migration | undefined> =>
    (await listMigrations(db, { serverId: of.id }))[0]

  let server = await create()
  await until('the guest to be up', 120_000, async () =>
    (await consoleOf(server)).includes('lodge-guest login:'),
  )
  const guest: MovingGuest = {
    lab,
    stage,
    agents,
    server: () => server,
    agentAt,
    elsewhere: () => names.find((name) => name !== server.host)!,
    async createAnother(host) {
      const made = await create()
      if (made.host === host) return made
      await begin(host, made)
      await stage.conductor().idle()
      return stage.server(made.id)
    },
    begin,
    migration: async (of) => (await migration(of))!,
    untilStatus: (status, of = server) =>
      until(
        `the migration to be ${status}`,
        60_000,
        async () => {
          const found = await migration(of)
          return found?.status === status ? found : undefined
        },
        20,
      ),
    async assertAt(host) {
      await stage.conductor().idle()
      assert.deepEqual(await findViolations(db), [])
      server = await stage.server(server.id)
      const { vmState, taskState, progress } = server
      assert.deepEqual(
        [server.host, vmState, taskState, server.powerState, progress],
        [host, 'active', null, powerState.RUNNING, 0],
      )
      const { id } = server
      const homes = await hostsWhere(async ({ hypervisor }) => Boolean(await hypervisor.findDomain(id)))
      assert.deepEqual(homes, [host])
      const domain = await agentAt(host).hypervisor.findDomain(id)
      assert.equal(domain?.powerState, powerState.RUNNING)
      const disks = await hostsWhere(async ({ disks }) => (await disks.list()).includes(id))
      assert.ok(disks.includes(host))
      if (!agents.sharedStorage) assert.deepEqual(disks, [host])
      const held = await db.selectFrom('allocations').select('host').where('server_id', '=', id).execute()
      assert.deepEqual(
        held.map((row) => row.host),
        [host],
      )
    },
    type,
    console: () => consoleOf(server),
    count,
    async countsOn() {
      const before = await count()
      const more = async (): Promise<number | undefined> => {
        const now = await count()
        return now > before ? now : undefined
      }
      try {
        return await until(`the guest to count beyond ${before}`, 60_000, more, 50)
      } catch (cause) {
        const said = (await consoleOf(server)).slice(-3000)
        throw new LodgeError('timeout', `${messageOf(cause)}; it said last: ${said}`, { cause })
      }
    },
    async writes(mebibytes) {
      if (mebibytes === false) return type('kill $!')
      const file = 'head -c 65536 /dev/urandom >/tmp/seed'
      const copy = `while :; do for i in $(seq ${mebibytes * 16}); do cat /tmp/seed; done >/tmp/written; done`
      await type(`${file}; ${copy} &`)
    },
    stop,
  }
  // What is typed before the guest listens is lost.
  const shell = async (): Promise<boolean> => (await consoleOf(server)).includes('/ # ')
  await until('a shell', 90_000, async () => (await shell()) || void (await type('root')), 5000).catch(
    async (e) => {
      console.log(await consoleOf(server))
      throw e
    },
  )
  await delay(500)
  await type(counter)
  await until('the guest to count', 60_000, async () => (await count()) > 2).catch(async (e) => {
    console.log(await consoleOf(server))
    throw e
  })
  return guest
}

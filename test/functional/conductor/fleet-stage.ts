import assert from 'node:assert/strict'
import type { SimulatedStorage } from '../../../src/agent/disk/simulated-storage.ts'
import type { Config } from '../../../src/base/config.ts'
import { findViolations } from '../../../src/conductor/invariants.ts'
import type { Server } from '../../../src/model/server.ts'
import { listMigrations } from '../../../src/store/server-migrations.ts'
import { startFleet, type Fleet } from '../../support/fleet.ts'
import { openStage, type Stage } from './stage.ts'

/** Runs `work` over a conductor and so many agents of simulated hosts, and ends both. `storage`: what all hosts see. */
export async function withFleet(
  hosts: number,
  work: (stage: Stage, fleet: Fleet) => Promise<void>,
  configure: (config: Config) => void = () => {},
  storage?: SimulatedStorage,
): Promise<void> {
  const stage = await openStage((config) => {
    config.agent.shutdownTimeoutSeconds = 0
    configure(config)
  })
  try {
    await stage.startConductor()
    await using fleet = await startFleet(stage.bus, stage.config.agent, hosts, storage)
    await stage.conductor().idle()
    await work(stage, fleet)
    await stage.conductor().stop()
  } finally {
    await stage.close()
  }
}

/** A new server that is ACTIVE. */
export async function active(stage: Stage): Promise<Server> {
  const { id } = await stage.create()
  await settled(stage, id)
  const server = await stage.server(id)
  assert.equal(server.vmState, 'active')
  return server
}

/** Waits until no action of the server is under way. */
export async function settled(stage: Stage, id: string): Promise<void> {
  await stage.until(async () => {
    const live = await stage.store.db
      .selectFrom('actions')
      .select('id')
      .where('server_id', '=', id)
      .where('finished_at', 'is', null)
      .execute()
    return live.length === 0
  })
}

/** As an operator says it of a host's compute service. */
export async function forcedDown(stage: Stage, host: string, down: boolean): Promise<void> {
  await stage.store.db
    .updateTable('services')
    .set({ forced_down: down ? 1 : 0, updated_at: Date.now() })
    .where('host', '=', host)
    .execute()
}

/** Of all migrations, in the order of their beginning. */
export const migrationStatuses = async (stage: Stage): Promise<string[]> =>
  (await listMigrations(stage.store.db)).map(({ status }) => status)

/** What the store says of servers, hosts and allocations holds together. */
export async function sound(stage: Stage): Promise<void> {
  assert.deepEqual(await findViolations(stage.store.db), [])
}

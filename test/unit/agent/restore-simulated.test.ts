import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createAgent } from '../../../src/agent/agent.ts'
import { createSimulatedDisks } from '../../../src/agent/disk/simulated-disks.ts'
import { openJournal } from '../../../src/agent/journal.ts'
import { simulatedMachine } from '../../../src/agent/machine.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { defaultConfig } from '../../../src/base/config.ts'
import { silentLogger } from '../../../src/base/logging.ts'
import { createInProcessBus } from '../../../src/bus/in-process.ts'
import { createSimulatedHypervisor } from '../../../src/hypervisor/simulated/simulated-hypervisor.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { commandOf, harnessHost, newSpec } from '../../support/agent-harness.ts'

/** What a process with one simulated host is; everything but the journal's file is new in each. */
async function startProcess(journalPath: string) {
  const bus = createInProcessBus()
  const journal = openJournal(journalPath)
  const hypervisor = createSimulatedHypervisor()
  const disks = createSimulatedDisks()
  const agent = createAgent({
    config: defaultConfig.agent,
    hostName: harnessHost,
    hostId: '00000000-0000-4000-8000-000000000001',
    hypervisor,
    disks,
    bus,
    images: { fetch: async () => {}, store: async () => ({ sizeBytes: 0 }) },
    journal,
    machine: simulatedMachine(),
    clock: systemClock,
    log: silentLogger(),
  })
  await agent.start()
  return {
    bus,
    hypervisor,
    disks,
    async end() {
      await agent.stop()
      await journal.close()
    },
  }
}

test('a simulated host finds its guests again in the next process, as they were wanted', async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-simulated-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  const path = join(directory, 'journal.sqlite')
  const first = await startProcess(path)
  const specs = Array.from({ length: 5 }, () => newSpec())
  const [running, paused, suspended, stopped, destroyed] = specs.map(({ id }) => id)
  for (const spec of specs) assert.ok((await first.bus.send(commandOf('spawn', spec.id, { spec }))).ok)
  await first.bus.send(commandOf('pause', paused!, {}))
  await first.bus.send(commandOf('suspend', suspended!, {}))
  await first.bus.send(commandOf('stop', stopped!, { timeoutSeconds: 0, retrySeconds: 1 }))
  await first.bus.send(commandOf('destroy', destroyed!, {}))
  const before = await first.hypervisor.listDomains()
  await first.end()

  const second = await startProcess(path)
  const byId = (a: { uuid: string }, b: { uuid: string }): number => (a.uuid < b.uuid ? -1 : 1)
  assert.deepEqual((await second.hypervisor.listDomains()).sort(byId), before.sort(byId))
  assert.equal((await second.hypervisor.findDomain(running!))?.powerState, powerState.RUNNING)
  assert.equal(await second.hypervisor.findDomain(destroyed!), undefined)
  assert.equal((await second.disks.list()).length, 4)
  await second.end()
})

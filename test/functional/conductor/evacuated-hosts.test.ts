import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { hostsOfAllocations } from '../../../src/store/allocations.ts'
import { until } from '../../support/until.ts'
import { startFakeHost, type FakeHost } from './fake-host.ts'
import { active, forcedDown, migrationStatuses, settled, sound } from './fleet-stage.ts'
import { openStage, type Stage } from './stage.ts'

describe('a host that was evacuated', { timeout: 60_000 }, () => {
  it('loses what is elsewhere as soon as it is heard again, though it never takes a census', async () => {
    await withEvacuated(async (stage, { id, source, dest }) => {
      await new Promise((resolve) => {
        setTimeout(resolve, 6000)
      })
      assert.deepEqual(verbsOf(source), ['spawn'], 'nobody has heard it')
      await source.report()
      await until('the host to be cleaned', 20_000, () => verbsOf(source).includes('destroy'))
      await until('the end', 5000, async () => (await migrationStatuses(stage))[0] === 'completed')
      assert.deepEqual(verbsOf(source), ['spawn', 'destroy'])
      assert.deepEqual(verbsOf(dest), ['spawn'])
      assert.deepEqual(await hostsOfAllocations(stage.store.db, id), [dest.name])
      await sound(stage)
    })
  })

  it('is asked again and again while it fails to', async () => {
    await withEvacuated(async (stage, { source }) => {
      let tries = 0
      source.fault = () =>
        (tries += 1) > 2
          ? undefined
          : { kind: 'internal', code: 500, message: 'no', details: '', retry: 'never' }
      await source.report()
      await until('the end', 40_000, async () => {
        await source.report()
        return (await migrationStatuses(stage))[0] === 'completed'
      })
      assert.equal(tries, 3)
      await sound(stage)
    })
  })
})

interface Evacuated {
  id: string
  source: FakeHost
  dest: FakeHost
}

async function withEvacuated(work: (stage: Stage, evacuated: Evacuated) => Promise<void>): Promise<void> {
  const stage = await openStage()
  try {
    await stage.startConductor()
    const hosts = [await startFakeHost(stage.bus, 'h1'), await startFakeHost(stage.bus, 'h2')]
    await stage.conductor().idle()
    const server = await active(stage)
    const [source, dest] = hosts.toSorted((one) => (one.name === server.host ? -1 : 1))
    await forcedDown(stage, server.host!, true)
    assert.ok(await stage.act(server, 'evacuate', { stop: false }, 'rebuilding'))
    await settled(stage, server.id)
    assert.equal((await stage.server(server.id)).host, dest!.name)
    assert.deepEqual(await migrationStatuses(stage), ['done'])
    await work(stage, { id: server.id, source: source!, dest: dest! })
    await stage.conductor().stop()
  } finally {
    await stage.close()
  }
}

const verbsOf = ({ carriedOut }: FakeHost): string[] => carriedOut.map(({ verb }) => verb)

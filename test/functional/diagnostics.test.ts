import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { GuestDiagnostics } from '../../src/model/guest-diagnostics.ts'
import { serverBed } from '../support/server-bed.ts'
import { active, withFleet } from './conductor/fleet-stage.ts'

test('the agent tells what is counted of a guest that runs', { timeout: 30_000 }, async () => {
  await withFleet(1, async (stage, fleet) => {
    const { id } = await active(stage)
    const ask = (serverId: string): Promise<GuestDiagnostics> =>
      stage.bus.ask({ version: 1, host: 'h1', name: 'guestDiagnostics', params: { serverId } })
    const { cpus, disks, memory, ...rest } = await ask(id)
    assert.deepEqual(rest, { powerState: 1, hypervisor: 'qemu' })
    assert.deepEqual(
      cpus.map((cpu) => cpu.id),
      [0],
    )
    assert.ok(cpus[0]!.timeNs! >= 0)
    assert.deepEqual(
      disks.map(({ target, readBytes }) => [target, readBytes]),
      [['vda', 0]],
    )
    assert.equal(memory.maximumKiB, 65_536)
    await fleet.hosts[0]!.hypervisor.destroy(id, { graceful: false })
    await assert.rejects(ask(id), { kind: 'conflict' })
    await assert.rejects(ask('00000000-0000-4000-8000-000000000000'), { kind: 'notFound' })
  })
})

test('diagnostics are for administrators, of servers that have a host', async () => {
  await using bed = await serverBed()
  const asked: unknown[] = []
  bed.services.ask = (async (query: unknown) => {
    asked.push(query)
    return counted
  }) as never
  const server = await bed.addServer({ vmState: 'active', host: 'alpha', launchedAt: bed.clock.time - 5000 })
  const path = `GET /servers/${server.id}/diagnostics`
  assert.equal((await bed.call(path, { as: 'member' })).status, 403)
  const old = await bed.call(path, { as: 'admin', version: 1 })
  assert.deepEqual(old.body, {
    memory: 65_536,
    'memory-rss': 2048,
    cpu0_time: 17,
    vda_read: 1,
    vda_read_req: 2,
    vda_write: 3,
    vda_write_req: 4,
    vda_errors: -1,
  })
  const { body } = await bed.call(path, { as: 'admin', version: 48 })
  assert.deepEqual(
    [body.state, body.uptime, body.memory_details, body.cpu_details],
    ['paused', 5, { maximum: 64, used: 2 }, [{ id: 0, time: 17, utilisation: null }]],
  )
  assert.deepEqual(asked[0], {
    version: 1,
    host: 'alpha',
    name: 'guestDiagnostics',
    params: { serverId: server.id },
  })
  const homeless = await bed.addServer({ vmState: 'building' })
  assert.equal((await bed.call(`GET /servers/${homeless.id}/diagnostics`, { as: 'admin' })).status, 409)
})

const counted: GuestDiagnostics = {
  powerState: 3,
  hypervisor: 'kvm',
  memory: { maximumKiB: 65_536, usedKiB: 2048 },
  cpus: [{ id: 0, timeNs: 17 }],
  disks: [{ target: 'vda', readBytes: 1, readRequests: 2, writeBytes: 3, writeRequests: 4 }],
}

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { findViolations } from '../../../src/conductor/invariants.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { listSteps } from '../../../src/store/action-steps.ts'
import { listActions } from '../../../src/store/actions.ts'
import { listServices, updateService } from '../../../src/store/services.ts'
import { latestFaults } from '../../../src/store/server-faults.ts'
import { getServer, updateServer } from '../../../src/store/servers.ts'
import type { Config } from '../../../src/base/config.ts'
import { aFault, startFakeHost, type FakeHost, type HostSize } from './fake-host.ts'
import { openStage, type Stage } from './stage.ts'

describe('builds that fail', { timeout: 60_000 }, () => {
  it('go on with another host when the fault lies with the first', async () => {
    await withHosts({ h1: {}, h2: {} }, async (stage, { h1, h2 }) => {
      const spoil = (host: FakeHost) => {
        host.fault = ({ verb }) => (verb === 'spawn' ? aFault('other-host') : undefined)
      }
      const hosts = [h1!, h2!]
      spoil(h1!)
      spoil(h2!)
      // Whichever is asked first fails; the other then succeeds.
      for (const host of hosts)
        host.hold = async ({ verb }) => {
          if (verb === 'spawn') for (const other of hosts) if (other !== host) other.fault = null
        }
      const { id } = await stage.create()
      await stage.conductor().idle()
      const server = await stage.server(id)
      assert.equal(server.vmState, 'active')
      const failed = hosts.find((host) => host.name !== server.host)!
      assert.deepEqual(
        failed.carriedOut.map(({ verb }) => verb),
        ['spawn', 'destroy'],
      )
      const [create] = (await listActions(stage.store.db, id))!
      const steps = await listSteps(stage.store.db, create!.id)
      assert.deepEqual(
        steps.map(({ event, host, result }) => [event, host, result]),
        [
          ['compute__do_build_and_run_instance', failed.name, 'Error'],
          ['lodge_undo_spawn', failed.name, 'Success'],
          ['compute__do_build_and_run_instance', server.host, 'Success'],
        ],
      )
      assert.deepEqual(await findViolations(stage.store.db), [])
    })
  })

  it('end in ERROR without a host when the attempts are used up', async () => {
    await withHosts({ h1: {}, h2: {}, h3: {}, h4: {} }, async (stage, hosts) => {
      for (const host of Object.values(hosts))
        host.fault = ({ verb }) => (verb === 'spawn' ? aFault('other-host', 'no disk') : undefined)
      const { id } = await stage.create()
      await stage.conductor().idle()
      const server = await stage.server(id)
      assert.deepEqual([server.vmState, server.taskState, server.host], ['error', null, null])
      const fault = (await latestFaults(stage.store.db, [id])).get(id)!
      assert.equal(fault.code, 500)
      assert.match(
        fault.message,
        /^Exceeded maximum number of retries\. Exhausted all hosts available for retrying build failures for instance /,
      )
      assert.match(fault.details, /no disk/)
      const spawns = Object.values(hosts).flatMap(({ carriedOut }) =>
        carriedOut.filter(({ verb }) => verb === 'spawn'),
      )
      assert.equal(spawns.length, stage.config.scheduler.maxAttempts)
      assert.deepEqual(await findViolations(stage.store.db), [])
    })
  })

  it('say that no valid host was found, and why', async () => {
    await withHosts({ h1: { memoryMiB: 100 } }, async (stage) => {
      const { id } = await stage.create({ memoryMiB: 101 })
      await stage.conductor().idle()
      assert.deepEqual(
        [(await stage.server(id)).vmState, (await stage.server(id)).taskState],
        ['error', null],
      )
      const fault = (await latestFaults(stage.store.db, [id])).get(id)!
      assert.equal(fault.code, 500)
      assert.equal(fault.message, 'No valid host was found. There are not enough hosts available.')
      assert.match(fault.details, /1 not enough memory left \(h1\)/)
      const [create] = (await listActions(stage.store.db, id))!
      assert.equal(create?.message, 'Error')
      assert.deepEqual(
        (await listSteps(stage.store.db, create!.id)).map(({ event, result }) => [event, result]),
        [['schedule_instances', 'Error']],
      )
    })
  })

  it('are tried again on the same host when the fault may pass', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      let left = 2
      h1!.fault = ({ verb }) => (verb === 'spawn' && (left -= 1) >= 0 ? aFault('same-host') : undefined)
      const { id } = await stage.create()
      await stage.conductor().idle()
      assert.equal((await stage.server(id)).vmState, 'active')
      assert.equal(new Set(h1!.carriedOut.map((command) => command.id)).size, 3)
    })
  })

  it('stay with a forced host', async () => {
    await withHosts({ h1: {}, h2: {} }, async (stage, { h1, h2 }) => {
      h2!.fault = ({ verb }) => (verb === 'spawn' ? aFault('other-host', 'h2 is ill') : undefined)
      const { id } = await stage.create({ params: { forcedHost: 'H2' } })
      await stage.conductor().idle()
      assert.equal((await latestFaults(stage.store.db, [id])).get(id)?.message, 'h2 is ill')
      assert.equal(h1!.carriedOut.length, 0)
    })
  })

  it('end by their deadline, with the guest removed once the host is done with it', async () => {
    const short = (config: Config) => {
      config.conductor.buildTimeoutSeconds = 1
    }
    await withHosts(
      { h1: {} },
      async (stage, { h1 }) => {
        let go: () => void = () => undefined
        const held = new Promise<void>((resolve) => {
          go = resolve
        })
        h1!.hold = ({ verb }) => (verb === 'spawn' ? held : Promise.resolve())
        const { id } = await stage.create()
        await stage.until(async () => (await listActions(stage.store.db, id))![0]!.state === 'unwinding')
        go()
        await stage.conductor().idle()
        assert.equal((await stage.server(id)).vmState, 'error')
        assert.match((await latestFaults(stage.store.db, [id])).get(id)!.message, /within 1 seconds/)
        assert.equal(h1!.guests.size, 0)
        assert.deepEqual(await findViolations(stage.store.db), [])
      },
      short,
    )
  })
})

describe('agents that cannot be reached', { timeout: 60_000 }, () => {
  it('get the command again under the same id', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      await h1!.leave()
      const { id } = await stage.create()
      await stage.until(async () => (await stage.server(id)).taskState === 'spawning')
      await h1!.join()
      await stage.conductor().idle()
      assert.equal((await stage.server(id)).vmState, 'active')
      assert.equal(h1!.carriedOut.length, 1)
    })
  })

  it('let a delete overtake the build that waits for them', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      await h1!.leave()
      const server = await stage.create()
      await stage.until(async () => (await stage.server(server.id)).taskState === 'spawning')
      await stage.act(server, 'delete', {}, 'deleting')
      await stage.until(async () => (await listActions(stage.store.db, server.id))![1]!.state === 'failed')
      assert.equal((await stage.server(server.id)).taskState, 'deleting')
      await h1!.join()
      await stage.conductor().idle()
      assert.equal((await stage.server(server.id)).vmState, 'deleted')
      assert.deepEqual(
        h1!.carriedOut.map(({ verb }) => verb),
        ['destroy'],
      )
    })
  })

  it('do not hold up a delete once their host is down', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      const { id } = await stage.create()
      await stage.conductor().idle()
      await h1!.leave()
      const [service] = await listServices(stage.store.db, { binary: 'nova-compute' })
      await updateService(stage.store.db, service!.id, { forcedDown: true }, Date.now())
      await stage.act(await stage.server(id), 'delete', {}, 'deleting')
      await stage.conductor().idle()
      assert.equal((await stage.server(id)).vmState, 'deleted')
      assert.ok(h1!.guests.has(id), 'the guest is left for the census')
      assert.deepEqual(await findViolations(stage.store.db), [])
    })
  })
})

describe('actions that fail', { timeout: 60_000 }, () => {
  const cases = [
    ['start', 'powering-on', 'stopped', 'stopped'],
    ['pause', 'pausing', 'active', 'active'],
    ['unpause', 'unpausing', 'paused', 'paused'],
    ['suspend', 'suspending', 'active', 'error'],
    ['resume', 'resuming', 'suspended', 'suspended'],
    ['delete', 'deleting', 'active', 'error'],
  ] as const
  for (const [name, task, before, after] of cases) {
    it(`${name}: leaves ${before} as ${after}, with the fault`, async () => {
      await withHosts({ h1: {} }, async (stage, { h1 }) => {
        const { id } = await stage.create()
        await stage.conductor().idle()
        await updateServer(stage.store.db, id, { vmState: before }, Date.now())
        h1!.fault = () => aFault('never', 'sorry')
        assert.ok(await stage.act(await stage.server(id), name, {}, task))
        await stage.conductor().idle()
        const server = await stage.server(id)
        assert.deepEqual([server.vmState, server.taskState], [after, null])
        assert.equal((await latestFaults(stage.store.db, [id])).get(id)?.message, 'sorry')
        const [action] = (await listActions(stage.store.db, id))!
        assert.deepEqual([action!.state, action!.message], ['failed', 'Error'])
        const [step] = await listSteps(stage.store.db, action!.id)
        assert.deepEqual(
          [step!.result, step!.details, step!.traceback],
          ['Error', 'sorry', 'libvirt said: sorry'],
        )
        assert.deepEqual(await findViolations(stage.store.db), [])
      })
    })
  }

  it('reboot: stays ACTIVE if the guest runs, else ERROR', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      const { id } = await stage.create()
      await stage.conductor().idle()
      h1!.fault = () => aFault('never')
      await stage.act(await stage.server(id), 'reboot', { type: 'HARD' }, 'rebooting_hard')
      await stage.conductor().idle()
      assert.equal((await stage.server(id)).vmState, 'active')
      h1!.guests.set(id, powerState.SHUTDOWN)
      await stage.act(await stage.server(id), 'reboot', { type: 'HARD' }, 'rebooting_hard')
      await stage.conductor().idle()
      const server = await stage.server(id)
      assert.deepEqual([server.vmState, server.powerState], ['error', powerState.SHUTDOWN])
    })
  })

  it('createImage: removes the image that got no data', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      const { id } = await stage.create()
      await stage.conductor().idle()
      await stage.store.db.insertInto('images').values(queuedImage('snap')).execute()
      h1!.fault = () => aFault('never')
      await stage.act(await stage.server(id), 'createImage', { imageId: 'snap' }, 'image_snapshot_pending')
      await stage.conductor().idle()
      assert.deepEqual(await stage.store.db.selectFrom('images').select('id').execute(), [])
      assert.equal((await getServer(stage.store.db, id))?.vmState, 'active')
    })
  })

  it('a state that an administrator reset meanwhile is left as it was set', async () => {
    await withHosts({ h1: {} }, async (stage, { h1 }) => {
      const { id } = await stage.create()
      await stage.conductor().idle()
      let go: () => void = () => undefined
      const held = new Promise<void>((resolve) => {
        go = resolve
      })
      h1!.hold = () => held
      await stage.act(await stage.server(id), 'stop', {}, 'powering-off')
      await stage.until(() => h1!.carriedOut.at(-1)?.verb === 'stop')
      await updateServer(stage.store.db, id, { vmState: 'error', taskState: null }, Date.now())
      go()
      await stage.conductor().idle()
      const server = await stage.server(id)
      assert.deepEqual(
        [server.vmState, server.taskState, server.powerState],
        ['error', null, powerState.SHUTDOWN],
      )
    })
  })
})

describe('many at once', { timeout: 60_000 }, () => {
  it('never over-commit a host, and use all there is', async () => {
    const sizes = { h1: { vcpus: 7 }, h2: { vcpus: 5 }, h3: { vcpus: 8 } }
    await withHosts(sizes, async (stage, hosts) => {
      const servers = await Promise.all(Array.from({ length: 30 }, () => stage.create()))
      await stage.conductor().idle()
      const states = await Promise.all(servers.map(({ id }) => stage.server(id)))
      assert.equal(states.filter(({ vmState }) => vmState === 'active').length, 20)
      assert.equal(states.filter(({ vmState }) => vmState === 'error').length, 10)
      for (const [name, size] of Object.entries(sizes)) assert.equal(hosts[name]!.guests.size, size.vcpus)
      assert.deepEqual(await findViolations(stage.store.db), [])
    })
  })

  it('do not go to a host that was disabled just before', async () => {
    await withHosts({ h1: {}, h2: {} }, async (stage, { h1 }) => {
      await stage.create()
      await stage.conductor().idle()
      h1!.carriedOut.length = 0
      const service = (await listServices(stage.store.db, { host: 'h1', binary: 'nova-compute' }))[0]!
      await updateService(stage.store.db, service.id, { disabled: true }, Date.now())
      await Promise.all(Array.from({ length: 4 }, () => stage.create()))
      await stage.conductor().idle()
      assert.equal(h1!.carriedOut.length, 0)
    })
  })
})

async function withHosts(
  sizes: Record<string, HostSize>,
  work: (stage: Stage, hosts: Record<string, FakeHost>) => Promise<void>,
  configure?: (config: Config) => void,
): Promise<void> {
  const stage = await openStage(configure)
  try {
    await stage.startConductor()
    const hosts: Record<string, FakeHost> = {}
    for (const [name, size] of Object.entries(sizes)) hosts[name] = await startFakeHost(stage.bus, name, size)
    await stage.until(
      async () =>
        (await listServices(stage.store.db, { binary: 'nova-compute' })).length === Object.keys(sizes).length,
    )
    await work(stage, hosts)
  } finally {
    await stage.close()
  }
}

const queuedImage = (id: string) => ({
  id,
  name: id,
  status: 'queued' as const,
  owner: 'project',
  visibility: 'private' as const,
  protected: 0 as const,
  hidden: 0 as const,
  container_format: 'bare',
  disk_format: 'qcow2',
  min_disk: 0,
  min_ram: 0,
  size: null,
  virtual_size: null,
  checksum: null,
  os_hash_value: null,
  properties_json: '{}',
  tags_json: '[]',
  created_at: 1,
  updated_at: 1,
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { Server } from '../../src/model/server.ts'
import type { ServerImage } from '../../src/model/server-spec.ts'
import { hostsOfAllocations } from '../../src/store/allocations.ts'
import { latestFaults } from '../../src/store/server-faults.ts'
import { getServer, updateServer } from '../../src/store/servers.ts'
import { serverBed } from '../support/server-bed.ts'
import type { FleetHost } from '../support/fleet.ts'
import { active, settled, sound, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'

const crashPoints = [
  'rebuild:-:begin',
  'rebuild:shut-down:answered',
  'rebuild:clear:command',
  'rebuild:clear:answered',
  'rebuild:spawn:command',
  'rebuild:spawn:answered',
  'rebuild:stop:command',
]

describe('a rebuild', { timeout: 60_000 }, () => {
  it('gives the server new disks on the same host, under the same id and claim', async () => {
    await withFleet(2, async (stage, fleet) => {
      const before = await active(stage)
      await rebuild(stage, before, anotherImage)
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.taskState, after.host], ['active', null, before.host])
      assert.equal(after.image?.id, anotherImage.id)
      assert.match((await backingOf(fleet.host(before.host!), before.id)) ?? '', /another$/)
      assert.deepEqual(await hostsOfAllocations(stage.store.db, before.id), [before.host])
      assert.deepEqual(await fleet.runningOn(before.id), [before.host])
      await sound(stage)
    })
  })

  it('leaves off what was off', async () => {
    await withFleet(1, async (stage, fleet) => {
      const before = await active(stage)
      assert.ok(await stage.act(before, 'stop', {}, 'powering-off'))
      await settled(stage, before.id)
      await rebuild(stage, await stage.server(before.id), anotherImage)
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.powerState], ['stopped', 4])
      assert.deepEqual(await fleet.runningOn(before.id), [])
      assert.match((await backingOf(fleet.hosts[0]!, before.id)) ?? '', /another$/)
      await sound(stage)
    })
  })

  it('brings a server in ERROR back', async () => {
    await withFleet(1, async (stage, fleet) => {
      const before = await active(stage)
      await updateServer(stage.store.db, before.id, { vmState: 'error' }, Date.now())
      await rebuild(stage, await stage.server(before.id), before.image!)
      assert.equal((await stage.server(before.id)).vmState, 'active')
      assert.deepEqual(await fleet.runningOn(before.id), ['h1'])
      await sound(stage)
    })
  })

  it('with an image that the host is not for touches nothing and ends in ERROR with the former image', async () => {
    await withFleet(1, async (stage, fleet) => {
      const before = await active(stage)
      await rebuild(stage, before, { ...anotherImage, properties: { hw_architecture: 's390x' } })
      const after = await stage.server(before.id)
      assert.deepEqual([after.vmState, after.image?.id], ['error', before.image!.id])
      assert.deepEqual(await fleet.runningOn(before.id), ['h1'], 'the guest runs on')
      const fault = (await latestFaults(stage.store.db, [before.id])).get(before.id)
      assert.match(fault?.message ?? '', /^No valid host was found/)
      assert.match(fault?.details ?? '', /ImagePropertiesFilter/)
      await sound(stage)
    })
  })

  for (const point of crashPoints)
    it(`outlives a conductor that dies at ${point}`, async () => {
      await withFleet(1, async (stage, fleet) => {
        const before = await active(stage)
        await stage.conductor().stop()
        await stage.startConductor({ crashAt: point })
        await begin(stage, before, anotherImage, true)
        await stage.conductor().idle()
        await stage.conductor().stop()
        await stage.startConductor()
        await settled(stage, before.id)
        const after = await stage.server(before.id)
        assert.deepEqual([after.vmState, after.taskState], ['stopped', null])
        assert.match((await backingOf(fleet.hosts[0]!, before.id)) ?? '', /another$/)
        await sound(stage)
      })
    })
})

describe('a request for a rebuild', { timeout: 60_000 }, () => {
  it('changes what it says, keeps the rest, and answers with the server', async () => {
    await using bed = await serverBed()
    const imageId = await bed.addBootImage({ sha512: 'f'.repeat(128) })
    const server = await bed.addServer({ vmState: 'active', host: 'alpha', metadata: { a: 'b' } })
    const wanted = {
      imageRef: imageId,
      name: 'other',
      key_name: 'my key',
      user_data: 'aGVsbG8=',
      adminPass: 'secret',
    }
    const answer = await bed.call(`POST /servers/${server.id}/action`, {
      as: 'member',
      body: { rebuild: wanted },
    })
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    const shown = answer.body.server
    assert.deepEqual(
      [shown.status, shown.image.id, shown.name, shown.key_name, shown.user_data, shown.adminPass],
      ['REBUILD', imageId, 'other', 'my key', 'aGVsbG8=', 'secret'],
    )
    assert.deepEqual(shown.metadata, { a: 'b' })
    assert.match(String(answer.headers['location']), new RegExp(`/servers/${server.id}$`))
    assert.equal((await getServer(bed.store.db, server.id))?.hostname, server.hostname)
  })

  it('is refused in words where it cannot be, and then changes nothing', async () => {
    await using bed = await serverBed()
    const large = await bed.addBootImage({ minDiskGiB: 5 })
    const queued = await bed.addBootImage({ status: 'queued' })
    const server = await bed.addServer({ vmState: 'active', host: 'alpha' })
    const cases: [object, number, RegExp][] = [
      [{}, 400, /imageRef/],
      [{ imageRef: 'no id' }, 400, /imageRef/],
      [{ imageRef: '00000000-0000-4000-8000-000000000000' }, 400, /image/],
      [{ imageRef: large }, 400, /too small/],
      [{ imageRef: queued }, 400, /not active/],
      [{ imageRef: bed.imageId, key_name: 'none' }, 400, /key_name/],
      [{ imageRef: bed.imageId, preserve_ephemeral: true }, 400, /preserve_ephemeral/],
      [{ imageRef: bed.imageId, trusted_image_certificates: ['x'] }, 400, /[Cc]ertificates/],
      [{ imageRef: bed.imageId, metadata: manyItems }, 403, /metadata/],
    ]
    for (const [rebuild, status, words] of cases) {
      const answer = await bed.call(`POST /servers/${server.id}/action`, { as: 'member', body: { rebuild } })
      assert.equal(answer.status, status, JSON.stringify([rebuild, answer.body]))
      assert.match((Object.values(answer.body)[0] as { message: string }).message, words)
    }
    const after = await getServer(bed.store.db, server.id)
    assert.deepEqual([after?.taskState, after?.image?.id], [null, server.image?.id])
    const paused = await bed.addServer({ vmState: 'paused', host: 'alpha' })
    const body = { rebuild: { imageRef: bed.imageId } }
    assert.equal((await bed.call(`POST /servers/${paused.id}/action`, { as: 'member', body })).status, 409)
  })
})

const anotherImage: ServerImage = {
  id: 'another',
  name: 'another',
  diskFormat: 'qcow2',
  sizeBytes: 1,
  sha512: 'bb',
  minDiskGiB: 0,
  properties: {},
}

const manyItems = Object.fromEntries(Array.from({ length: 200 }, (_, index) => [`key${index}`, 'x']))

async function rebuild(stage: Stage, server: Server, image: ServerImage): Promise<void> {
  await begin(stage, server, image, server.vmState === 'stopped')
  await settled(stage, server.id)
}

/** As the API does it: the record has the new image when the action begins. */
async function begin(stage: Stage, server: Server, image: ServerImage, stop: boolean): Promise<void> {
  await updateServer(stage.store.db, server.id, { image }, Date.now())
  assert.ok(await stage.act(server, 'rebuild', { formerImage: server.image, stop }, 'rebuilding'))
}

async function backingOf({ disks }: FleetHost, serverId: string): Promise<string | undefined> {
  return (await disks.describe(serverId))?.disks[0]?.backing?.file
}

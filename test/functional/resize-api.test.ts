import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Server } from '../../src/model/server.ts'
import { insertFlavor } from '../../src/store/flavors.ts'
import { getServer, updateServer } from '../../src/store/servers.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

const running: Partial<Server> = { vmState: 'active', host: 'alpha', powerState: 1, launchedAt: 1 }

const act = (bed: ServerBed, server: Server, body: object, more: object = {}) =>
  bed.call(`POST /servers/${server.id}/action`, { as: 'admin', body, ...more })

const addFlavor = (bed: ServerBed, id: string, vcpus: number, rootGiB: number, ephemeralGiB = 1) =>
  insertFlavor(bed.store.db, {
    id,
    name: id,
    vcpus,
    memoryMiB: 1024,
    rootGiB,
    ephemeralGiB,
    swapMiB: 0,
    extraSpecs: {},
    rxtxFactor: 1,
    isPublic: true,
    disabled: false,
    description: null,
    createdAt: bed.clock.time,
  })

test('a resize is refused in words where it cannot be', async () => {
  await using bed = await serverBed()
  await addFlavor(bed, 'large', 4, 10)
  await addFlavor(bed, 'shrunk', 4, 1)
  await addFlavor(bed, 'none', 4, 0)
  const cases: [unknown, number, RegExp][] = [
    [{ flavorRef: 'nowhere' }, 400, /Flavor nowhere could not be found/],
    [{ flavorRef: 'shrunk' }, 400, /unable to be resized/],
    [{ flavorRef: 'none' }, 400, /zero disk flavor/],
    [{}, 400, /flavorRef/],
    [{ flavorRef: '' }, 400, /flavorRef/],
    [{ flavorRef: 'large' }, 202, /^$/],
    [{ flavorRef: 'large' }, 409, /while it is in task_state resize_prep/],
  ]
  const server = await bed.addServer(running)
  for (const [resize, status, words] of cases) {
    const answer = await act(bed, server, { resize })
    assert.equal(answer.status, status, JSON.stringify(answer.body))
    const fault = Object.values(answer.body ?? {})[0] as { message: string } | undefined
    assert.match(fault?.message ?? '', words)
  }
  assert.equal((await getServer(bed.store.db, server.id))?.taskState, 'resize_prep')
})

test('what is not resized can be neither confirmed nor reverted; what is, can be', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer(running)
  for (const action of ['confirmResize', 'revertResize'])
    assert.equal((await act(bed, server, { [action]: null })).status, 409)
  const resize = { migrationId: 'm', sourceHost: 'alpha', destHost: 'beta', oldVmState: 'active' } as const
  const patch = { vmState: 'resized', resize, oldFlavor: server.flavor } as const
  await updateServer(bed.store.db, server.id, patch, bed.clock.time)
  const shown = await bed.call(`GET /servers/${server.id}`, { as: 'admin' })
  assert.equal(shown.body.server.status, 'VERIFY_RESIZE')
  assert.equal((await act(bed, server, { confirmResize: null })).status, 204)
})

test('a server is evacuated only from a host that is down, and to another one', async () => {
  await using bed = await serverBed()
  const server = await bed.addServer(running)
  const evacuate = { onSharedStorage: false }
  const live = await act(bed, server, { evacuate }, { version: 1 })
  assert.equal(live.status, 400)
  assert.match(live.body.badRequest.message, /Compute service of alpha is still in use/)
  bed.clock.time += 3_600_000
  assert.equal(
    (await act(bed, server, { evacuate: { ...evacuate, host: 'alpha' } }, { version: 1 })).status,
    400,
  )
  assert.equal(
    (await act(bed, server, { evacuate: { ...evacuate, host: 'nowhere' } }, { version: 1 })).status,
    404,
  )
  assert.equal((await act(bed, server, { migrate: null })).status, 409)
  const done = await act(bed, server, { evacuate }, { version: 1 })
  assert.equal(done.status, 200)
  assert.equal(typeof done.body.adminPass, 'string')
  assert.equal((await getServer(bed.store.db, server.id))?.taskState, 'rebuilding')
})

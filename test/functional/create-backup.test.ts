import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LodgeError } from '../../src/base/errors.ts'
import { newUuid } from '../../src/base/ids.ts'
import { getImage, insertImage } from '../../src/store/images.ts'
import { listActions } from '../../src/store/actions.ts'
import type { Server } from '../../src/model/server.ts'
import { serverBed } from '../support/server-bed.ts'
import { anImage } from '../support/store-records.ts'
import { active, settled, withFleet } from './conductor/fleet-stage.ts'
import type { Stage } from './conductor/stage.ts'

describe('backups of a server', { timeout: 60_000 }, () => {
  it('push out the oldest of their type, and nothing else', async () => {
    await withFleet(1, async (stage) => {
      const server = await active(stage)
      const other = await addImage(stage, { ...backupOf(server, 'weekly') })
      const guarded = await addImage(stage, { ...backupOf(server, 'daily') }, true)
      const foreign = await addImage(stage, { ...backupOf(server, 'daily'), instance_uuid: newUuid() })
      const made: string[] = []
      for (let day = 0; day < 3; day += 1) made.push(await backup(stage, server, 2))
      const left = await Promise.all(
        [...made, other, guarded, foreign].map(
          async (id) => (await getImage(stage.store.db, id)) !== undefined,
        ),
      )
      assert.deepEqual(left, [false, true, true, true, true, true])
      assert.deepEqual((await stage.server(server.id)).taskState, null)
      await backup(stage, server, 0)
      assert.equal(await getImage(stage.store.db, made[2]!), undefined)
    })
  })

  it('that fail leave the older ones and no record of their own', async () => {
    await withFleet(1, async (stage, fleet) => {
      const server = await active(stage)
      const older = await backup(stage, server, 1)
      fleet.hosts[0]!.disks.assertSpareRoom = () => Promise.reject(new LodgeError('tooLarge', 'no room'))
      const failed = await backup(stage, server, 1, 'queued')
      assert.equal(await getImage(stage.store.db, failed), undefined)
      assert.ok(await getImage(stage.store.db, older))
      assert.deepEqual((await stage.server(server.id)).vmState, 'active')
    })
  })

  it('are asked for by name, type and rotation', async () => {
    await using bed = await serverBed()
    const ask = async (body: object, version?: number) => {
      const server = await bed.addServer({ vmState: 'active', host: 'alpha' })
      const path = `POST /servers/${server.id}/action`
      const answer = await bed.call(path, { as: 'member', body: { createBackup: body }, version })
      return { server, answer }
    }
    const whole = { name: 'b', backup_type: 'daily', rotation: '3', metadata: { a: 'b' } }
    const { server, answer } = await ask(whole)
    assert.equal(answer.status, 202)
    const image = await getImage(bed.store.db, answer.body.image_id)
    assert.deepEqual([image?.name, image?.status], ['b', 'queued'])
    const { image_type, backup_type, instance_uuid, a } = image!.properties
    assert.deepEqual([image_type, backup_type, instance_uuid, a], ['backup', 'daily', server.id, 'b'])
    const [action] = (await listActions(bed.store.db, server.id))!
    assert.equal(action?.name, 'createBackup')

    const old = await ask(whole, 44)
    assert.match(String(old.answer.headers['location']), /\/images\//)
    assert.equal((await ask({ ...whole, rotation: 0 }, 44)).answer.headers['location'], undefined)
    for (const wrong of [{ rotation: -1 }, { rotation: 'x' }, { name: '' }, { backup_type: 1 }, { more: 1 }])
      assert.equal((await ask({ ...whole, ...wrong })).answer.status, 400, JSON.stringify(wrong))
  })
})

const backupOf = (server: Server, type: string): Record<string, string> => ({
  image_type: 'backup',
  backup_type: type,
  instance_uuid: server.id,
})

async function addImage(
  stage: Stage,
  properties: Record<string, string>,
  isProtected = false,
  status: 'active' | 'queued' = 'active',
): Promise<string> {
  const id = newUuid()
  const createdAt = Date.now()
  await insertImage(stage.store.db, anImage(id, { properties, protected: isProtected, status, createdAt }))
  return id
}

/** The image has its data from the beginning, since nothing is transferred here. */
async function backup(
  stage: Stage,
  server: Server,
  rotation: number,
  status: 'active' | 'queued' = 'active',
): Promise<string> {
  const imageId = await addImage(stage, backupOf(server, 'daily'), false, status)
  const begun = await stage.act(
    await stage.server(server.id),
    'createBackup',
    { imageId, backupType: 'daily', rotation },
    'image_backup',
  )
  assert.ok(begun)
  await settled(stage, server.id)
  return imageId
}

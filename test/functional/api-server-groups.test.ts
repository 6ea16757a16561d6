import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { addGroupMember } from '../../src/store/server-groups.ts'
import { markServerDeleted } from '../../src/store/servers.ts'
import { computeBed, home, type Call, type ComputeBed } from '../support/compute-bed.ts'

const make = (bed: ComputeBed, group: object, options: Call = {}) =>
  bed.call('POST /os-server-groups', {
    as: 'member',
    ...options,
    body: { server_group: { name: 'g', ...group } },
  })

describe('server groups', () => {
  it('have the shape of their microversion', async () => {
    await using bed = await computeBed()
    const old = await make(bed, { policies: ['affinity'] }, { version: 1 })
    assert.deepEqual(Object.keys(old.body.server_group).toSorted(), [
      'id',
      'members',
      'metadata',
      'name',
      'policies',
    ])
    const ruled = await make(bed, { policy: 'anti-affinity', rules: { max_server_per_host: '2' } })
    assert.deepEqual(ruled.body.server_group, {
      id: ruled.body.server_group.id,
      name: 'g',
      members: [],
      project_id: home.projectId,
      user_id: home.userId,
      policy: 'anti-affinity',
      rules: { max_server_per_host: 2 },
    })
    const { body } = await bed.call('GET /os-server-groups?limit=1&offset=1', { as: 'member' })
    assert.equal(body.server_groups.length, 1)
  })

  it('refuse what their microversion or policy does not have', async () => {
    await using bed = await computeBed()
    const refused: [object, number?][] = [
      [{ policies: ['soft-affinity'] }, 14],
      [{ policies: ['affinity', 'anti-affinity'] }, 15],
      [{ policy: 'near' }],
      [{ policy: 'affinity', rules: { max_server_per_host: 2 } }],
      [{ policy: 'anti-affinity', rules: { max_server_per_host: 0 } }],
      [{ policies: ['affinity'] }, 64],
    ]
    for (const [group, version] of refused)
      assert.equal((await make(bed, group, { version })).status, 400, JSON.stringify(group))
  })

  it('belong to their project, and are counted', async () => {
    await using bed = await computeBed()
    bed.services.config.quota.serverGroups = 2
    const { body } = await make(bed, { policy: 'affinity' })
    const path = `/os-server-groups/${body.server_group.id}`
    assert.equal((await bed.call(`GET ${path}`, { as: 'foreigner' })).status, 404)
    assert.equal((await bed.call(`DELETE ${path}`, { as: 'foreigner' })).status, 404)
    await make(bed, { policy: 'affinity' })
    assert.equal((await make(bed, { policy: 'affinity' })).status, 403)
    assert.equal((await make(bed, { policy: 'affinity' }, { as: 'foreigner' })).status, 200)
    const limits = await bed.call('GET /limits', { as: 'member' })
    assert.equal(limits.body.limits.absolute.totalServerGroupsUsed, 2)
    const count = async (as: Call['as'], query = '') =>
      (await bed.call(`GET /os-server-groups${query}`, { as })).body.server_groups.length
    assert.equal(await count('member', '?all_projects=1'), 2, 'not for everybody')
    assert.equal(await count('admin', '?all_projects=1'), 3)
    assert.equal((await bed.call(`DELETE ${path}`, { as: 'member' })).status, 204)
    assert.equal((await bed.call(`GET ${path}`, { as: 'member' })).status, 404)
  })

  it('are shown with their servers, until those are deleted', async () => {
    await using bed = await computeBed()
    const { id } = (await make(bed, { policy: 'affinity' })).body.server_group
    const server = await bed.addServer()
    await addGroupMember(bed.store.db, id, server.id)
    assert.deepEqual((await bed.call(`GET /os-server-groups/${id}`)).body.server_group.members, [server.id])
    assert.deepEqual((await bed.call(`GET /servers/${server.id}`)).body.server.server_groups, [id])
    await bed.store.transaction((trx) => markServerDeleted(trx, server.id, bed.clock.time))
    assert.deepEqual((await bed.call(`GET /os-server-groups/${id}`)).body.server_group.members, [])
  })
})

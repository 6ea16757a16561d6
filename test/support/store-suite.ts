/** The contract of a store's functions, whichever database is below; see store-races.ts for what happens at once. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LodgeError } from '../../src/base/errors.ts'
import { defaultConfig } from '../../src/base/config.ts'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { PlacementReasons } from '../../src/model/placement.ts'
import { unlimited } from '../../src/model/quota.ts'
import { addFlavorAccess, listFlavorAccess, removeFlavorAccess } from '../../src/store/flavor-access.ts'
import { deleteFlavor, getFlavor, insertFlavor, listFlavors } from '../../src/store/flavors.ts'
import { getHost, listHosts, upsertHost } from '../../src/store/hosts.ts'
import { getHypervisor, listHypervisors, loadOfHosts, workloadOfHosts } from '../../src/store/host-list.ts'
import { listProjects, saveDomain, saveProject } from '../../src/store/identity-projects.ts'
import {
  assignRole,
  deleteRole,
  listAssignments,
  saveRole,
  unassignRole,
} from '../../src/store/identity-roles.ts'
import { deleteExpiredTokens, findToken, insertToken } from '../../src/store/identity-tokens.ts'
import { findUserByName, insertUser, listUsers, updateUser } from '../../src/store/identity-users.ts'
import { getImage, insertImage, listImages, updateImage } from '../../src/store/images.ts'
import { countKeyPairs, deleteKeyPair, insertKeyPair, listKeyPairs } from '../../src/store/key-pairs.ts'
import { insertPlacement, listPlacements } from '../../src/store/placements.ts'
import { serverUsage } from '../../src/store/quota-usage.ts'
import { effectiveQuotas, setLimits, sumOfUserLimits } from '../../src/store/quotas.ts'
import { describeHosts, fleetVersion, listSchedulableHosts } from '../../src/store/schedulable-hosts.ts'
import { insertFault, latestFaults } from '../../src/store/server-faults.ts'
import { listServers } from '../../src/store/server-list.ts'
import { addServerTag, getServerTags, setServerTags } from '../../src/store/server-tags.ts'
import {
  getServer,
  insertServer,
  markServerDeleted,
  updateServer,
  type ServerPatch,
} from '../../src/store/servers.ts'
import { ensureService, listServices, touchServices, updateService } from '../../src/store/services.ts'
import type { Store } from '../../src/store/store.ts'
import { aFlavor, aHost, aKeyPair, anImage, aServer, gib } from './store-records.ts'

/** Registers the suite. `open` gives an empty store. */
export function storeSuite(name: string, open: () => Promise<Store>): void {
  describe(`the tables on ${name}`, { timeout: 60_000 }, () => {
    let store: Store
    before(async () => {
      store = await open()
    })
    after(() => store.close())

    it('a transaction that throws leaves nothing', async () => {
      await assert.rejects(
        store.transaction(async (trx) => {
          await saveDomain(trx, { id: 'gone', name: 'gone', enabled: true, description: '' })
          throw new LodgeError('conflict', 'no')
        }),
        /no/,
      )
      assert.deepEqual(await listProjects(store.db, { domainId: 'gone' }), [])
    })

    it('identity: names within a domain, in the order of their bytes', async () => {
      const { db } = store
      await saveDomain(db, { id: 'default', name: 'Default', enabled: true, description: '' })
      for (const project of ['b', 'a', 'Z', 'é', 'ab'])
        await saveProject(db, {
          id: `p-${project}`,
          name: project,
          domainId: 'default',
          enabled: project !== 'b',
          description: '',
          extra: { of: project },
        })
      const names = async (filter: object) => (await listProjects(db, filter)).map((one) => one.name)
      assert.deepEqual(await names({}), ['Z', 'a', 'ab', 'b', 'é'])
      assert.deepEqual(await names({ enabled: false }), ['b'])
      assert.deepEqual(await names({ ids: [] }), [])
      const again = { id: 'other', name: 'a', domainId: 'default', enabled: true, description: '', extra: {} }
      await assert.rejects(store.transaction((trx) => saveProject(trx, again)))

      await insertUser(db, aUser('u1', 'Anna'), 'hash')
      await updateUser(db, { ...aUser('u1', 'Anna'), email: 'anna@example.org' })
      assert.equal((await findUserByName(db, 'Anna', 'default'))?.email, 'anna@example.org')
      assert.equal(await findUserByName(db, 'anna', 'default'), undefined)
      assert.equal((await listUsers(db, { enabled: true })).length, 1)

      await saveRole(db, { id: 'r', name: 'member', description: null })
      const grant = { userId: 'u1', target: { type: 'project', id: 'p-a' }, roleId: 'r' } as const
      await assignRole(db, grant)
      await assignRole(db, grant)
      assert.equal((await listAssignments(db, { userId: 'u1' })).length, 1)
      assert.equal(await unassignRole(db, grant), true)
      assert.equal(await unassignRole(db, grant), false)
      await deleteRole(db, 'r')

      const expiresAt = 1_800_000_000_123
      await insertToken(db, { ...aToken, hash: 'one', expiresAt })
      assert.equal((await findToken(db, 'one'))?.expiresAt, expiresAt, 'beyond 32 bits, and a number')
      await deleteExpiredTokens(db, expiresAt)
      assert.equal(await findToken(db, 'one'), undefined)
    })

    it('flavors: taken ids and names, parts of names, pages', async () => {
      const { db } = store
      for (const [id, flavor] of [
        ['1', 'm1.Tiny'],
        ['2', 'm1.small'],
        ['3', '50%_off'],
        ['4', 'a\\b'],
      ] as const)
        await store.transaction((trx) =>
          insertFlavor(trx, aFlavor(id, flavor, { isPublic: id !== '2', rxtxFactor: 1.25 })),
        )
      for (const taken of [aFlavor('1', 'new'), aFlavor('9', 'm1.Tiny')])
        await assert.rejects(
          store.transaction((trx) => insertFlavor(trx, taken)),
          { kind: 'conflict' },
        )
      const list = async (more: object) =>
        (
          await listFlavors(db, {
            isPublic: null,
            projectId: null,
            sortKey: 'name',
            sortDirection: 'asc',
            limit: 9,
            ...more,
          })
        ).map((one) => one.id)
      assert.deepEqual(await list({}), ['3', '4', '1', '2'])
      assert.deepEqual(await list({ name: 'TINY' }), ['1'])
      assert.deepEqual(await list({ name: '%' }), ['3'])
      assert.deepEqual(await list({ name: '\\' }), ['4'])
      assert.deepEqual(await list({ marker: '4' }), ['1', '2'])
      assert.deepEqual(await list({ sortKey: 'rxtx_factor', marker: '2' }), ['3', '4'])
      assert.deepEqual(await list({ isPublic: true, projectId: 'p' }), ['3', '4', '1'])
      await addFlavorAccess(db, '2', 'p')
      await assert.rejects(
        store.transaction((trx) => addFlavorAccess(trx, '2', 'p')),
        { kind: 'conflict' },
      )
      assert.deepEqual(await list({ isPublic: true, projectId: 'p' }), ['3', '4', '1', '2'])
      assert.deepEqual(await listFlavorAccess(db, '2'), ['p'])
      await removeFlavorAccess(db, '2', 'p')
      assert.equal((await getFlavor(db, '1'))?.rxtxFactor, 1.25)
      assert.equal(await deleteFlavor(db, '4'), true)
      assert.equal(await deleteFlavor(db, '4'), false)
    })

    it('key pairs and limits', async () => {
      const { db } = store
      for (const key of ['b', 'B', 'a']) await insertKeyPair(db, aKeyPair('u', key))
      await assert.rejects(
        store.transaction((trx) => insertKeyPair(trx, aKeyPair('u', 'a'))),
        {
          kind: 'conflict',
        },
      )
      assert.equal(await countKeyPairs(db, 'u'), 3)
      const page = await listKeyPairs(db, 'u', { marker: 'B', limit: 9 })
      assert.deepEqual(
        page.map((one) => one.name),
        ['a', 'b'],
      )
      assert.equal(await deleteKeyPair(db, 'u', 'B'), true)
      await store.transaction((trx) => setLimits(trx, 'p', undefined, { cores: 5, ram: unlimited }))
      await store.transaction((trx) => setLimits(trx, 'p', undefined, { cores: 6 }))
      await store.transaction((trx) => setLimits(trx, 'p', 'u', { cores: 2 }))
      assert.equal((await effectiveQuotas(db, defaultConfig, 'p')).cores, 6)
      assert.equal((await effectiveQuotas(db, defaultConfig, 'p', 'u')).cores, 2)
      assert.deepEqual(await sumOfUserLimits(db, 'p'), { cores: 2 })
    })

    it('images: sizes beyond 32 bits, missing values first, what JSON holds', async () => {
      const { db } = store
      await insertImage(db, anImage('a', { name: null, sizeBytes: 8 * gib, tags: ['x"y', 'z'] }))
      await insertImage(db, anImage('b', { name: 'Ubuntu', sizeBytes: null, properties: { os: 'li,nux' } }))
      await insertImage(db, anImage('c', { name: 'debian', sizeBytes: 1, hidden: true }))
      await assert.rejects(insertImage(db, anImage('c')), { kind: 'conflict' })
      const list = async (filter: object, key: 'name' | 'size', marker?: string) =>
        (
          await listImages(db, filter, {
            limit: 9,
            sort: [{ key, direction: 'asc' }],
            ...(marker ? { marker: (await getImage(db, marker))! } : {}),
          })
        ).map((one) => one.id)
      assert.deepEqual(await list({}, 'name'), ['a', 'b', 'c'])
      assert.deepEqual(await list({}, 'size'), ['b', 'c', 'a'])
      assert.deepEqual(await list({}, 'size', 'b'), ['c', 'a'])
      assert.deepEqual(await list({ tags: ['x"y'] }, 'name'), ['a'])
      assert.deepEqual(await list({ properties: { os: 'li,nux' } }, 'name'), ['b'])
      assert.deepEqual(await list({ sizeMin: 4 * gib }, 'name'), ['a'])
      assert.deepEqual(await list({ hidden: true, names: [] }, 'name'), [])
      assert.equal(await updateImage(db, 'a', { status: 'deactivated' }, 5, ['queued']), false)
      assert.equal(await updateImage(db, 'a', { status: 'deactivated' }, 5, ['active']), true)
    })

    it('servers: lists, tags, faults, use', async () => {
      const { db } = store
      for (const [id, more] of [
        ['s1', { name: 'b', createdAt: 1 }],
        ['s2', { name: 'B', createdAt: 2 }],
        ['s3', { name: 'a%', createdAt: 3, metadata: { k: 'ü' } }],
      ] as const)
        await insertServer(db, aServer(id, more))
      await updateServer(db, 's2', { host: 'h', lockedBy: 'admin' }, 9)
      const list = async (filter: object, column: 'name' | 'host', marker?: string) =>
        (
          await listServers(db, filter, {
            limit: 9,
            sort: [{ column, direction: 'asc' }],
            ...(marker ? { marker: (await getServer(db, marker))! } : {}),
          })
        ).map((one) => one.id)
      assert.deepEqual(await list({}, 'name'), ['s2', 's3', 's1'])
      assert.deepEqual(await list({}, 'host'), ['s3', 's1', 's2'], 'no host comes before any')
      assert.deepEqual(await list({}, 'host', 's3'), ['s1', 's2'])
      assert.deepEqual(await list({ containing: [['name', '%']] }, 'name'), ['s3'])
      assert.deepEqual(await list({ locked: true }, 'name'), ['s2'])
      assert.deepEqual(await list({ taskStates: [null] }, 'name'), [])
      assert.deepEqual((await getServer(db, 's3'))?.metadata, { k: 'ü' })
      await setServerTags(db, 's1', ['b', 'a', 'B'])
      assert.equal(await addServerTag(db, 's1', 'a'), false)
      assert.deepEqual(await getServerTags(db, 's1'), ['B', 'a', 'b'])
      assert.deepEqual(await list({ anyTags: ['B'] }, 'name'), ['s1'])
      for (const message of ['old', 'new'])
        await insertFault(db, 's1', { code: 500, message, details: '', createdAt: 1 })
      assert.equal((await latestFaults(db, ['s1'])).get('s1')?.message, 'new')
      assert.deepEqual(await serverUsage(db, 'p'), { instances: 3, cores: 3, ram: 192 })
      await insertPlacement(db, { requestId: 'r', serverId: 's1', chosenHost: null, reasons, now: 7 })
      assert.deepEqual(
        (await listPlacements(db, 's1')).map((one) => one.reasons),
        [reasons],
      )
    })

    it('what counts against quotas, whatever becomes of a server', async () => {
      const { db } = store
      const ids = ['u1', 'u2', 'u3']
      for (const id of ids) await insertServer(db, aServer(id, { projectId: 'usage' }))
      await insertServer(db, aServer('u4', { projectId: 'usage', userId: 'another' }))
      const used = async (userId?: string) => Object.values(await serverUsage(db, 'usage', userId))
      assert.deepEqual(await used(), [4, 4, 256])
      assert.deepEqual(await used('another'), [1, 1, 64])
      const large = { ...aServer('u1').flavor, vcpus: 5, memoryMiB: 1000 }
      const small = { ...large, vcpus: 1, memoryMiB: 1 }
      const change = (id: string, patch: ServerPatch) => updateServer(db, id, patch, 9)

      await change('u1', { taskState: 'resize_prep', nextFlavor: large })
      assert.deepEqual(await used(), [4, 8, 1192], 'a resize counts from the request on')
      await change('u1', { taskState: 'resize_migrating', vmState: 'active' })
      assert.deepEqual(await used(), [4, 8, 1192])
      await change('u1', { taskState: null, vmState: 'error' })
      assert.deepEqual(await used(), [4, 4, 256], 'one that failed no longer does')
      await change('u1', { taskState: 'resize_prep', nextFlavor: large })
      await change('u1', { taskState: null, flavor: large, vmState: 'resized' })
      assert.deepEqual(await used(), [4, 8, 1192])
      await change('u1', { taskState: 'resize_prep', nextFlavor: small })
      assert.deepEqual(await used(), [4, 8, 1192], 'what gets smaller is given back at the end')
      await change('u1', { taskState: null, flavor: small })
      assert.deepEqual(await used(), [4, 4, 193])

      await change('u2', { vmState: 'soft-delete' })
      assert.deepEqual(await used(), [3, 3, 129])
      await change('u2', { vmState: 'active' })
      assert.deepEqual(await used(), [4, 4, 193])
      await store.transaction((trx) => markServerDeleted(trx, 'u2', 10))
      await db.deleteFrom('servers').where('id', 'in', ['u2', 'u3']).execute()
      assert.deepEqual(await used(), [2, 2, 65])
      assert.deepEqual(
        (await findViolations(db)).filter((sentence) => sentence.includes('noted')),
        [],
      )
      await db.updateTable('quota_usage').set({ cores: 7 }).where('user_id', '=', 'another').execute()
      const [sentence] = (await findViolations(db)).filter((one) => one.includes('noted'))
      assert.equal(
        sentence,
        'user another has 7 of cores noted as used in project usage, the servers sum up to 1',
      )
      await db.deleteFrom('servers').where('project_id', '=', 'usage').execute()
      await db.deleteFrom('quota_usage').where('project_id', '=', 'usage').execute()
    })

    it('hosts and services', async () => {
      const { db } = store
      for (const host of ['h2', 'h']) {
        await store.transaction((trx) => upsertHost(trx, aHost(host), 1))
        await store.transaction((trx) => upsertHost(trx, aHost(host, { memoryMiB: 4096 }), 2))
        await ensureService(db, { binary: 'nova-compute', host }, 3)
        await ensureService(db, { binary: 'nova-compute', host }, 4)
      }
      assert.deepEqual(
        (await listHosts(db)).map((one) => one.name),
        ['h2', 'h'],
      )
      assert.equal((await getHost(db, 'h'))?.capacity.memoryMiB, 4096)
      assert.equal(await touchServices(db, 'nova-compute', ['h', 'h2', 'nobody'], 1_800_000_000_000), 2)
      assert.equal((await listServices(db, { host: 'h' }))[0]?.lastSeenAt, 1_800_000_000_000)
      const before = await fleetVersion(db)
      assert.equal(before.servicesAt, 3)
      const [second] = await listServices(db, { host: 'h' })
      await updateService(db, second!.id, { disabled: true }, 5)
      assert.notEqual((await fleetVersion(db)).services, before.services)
      const all = await listSchedulableHosts(db)
      assert.deepEqual(
        all.map((one) => [one.name, one.used.vcpus, one.disabled]),
        [
          ['h2', 0, false],
          ['h', 0, true],
        ],
      )
      const namesOf = async (which: Parameters<typeof listSchedulableHosts>[1]) =>
        (await listSchedulableHosts(db, which)).map((one) => one.name)
      assert.deepEqual(await namesOf({ changedSince: 4 }), ['h'])
      assert.deepEqual(await namesOf({ names: ['h2', 'nobody'] }), ['h2'])
      const onlyFirst = { after: 0, upTo: all[0]!.number }
      assert.deepEqual(await namesOf(onlyFirst), ['h2'])
      assert.deepEqual([...(await describeHosts(db, onlyFirst)).keys()], ['h2'])
      const loads = await loadOfHosts(db, { after: 0, upTo: all[1]!.number })
      assert.deepEqual(loads.get('h'), { servers: 1, ioOps: 0 })
      assert.deepEqual(loads.get('h2'), { servers: 0, ioOps: 0 })
      assert.equal((await listHypervisors(db, { limit: 1 })).length, 1)
      assert.equal(await getHypervisor(db, { number: 10 ** 12 }), undefined)
      assert.deepEqual((await workloadOfHosts(db, ['h'])).get('h'), { servers: 1, busy: 1 })
      // The servers of these tests are building and nothing works on them: the checker sees it, here as there.
      const words = await findViolations(db, 10)
      assert.equal(words.filter((sentence) => sentence.includes('no action works on it')).length, 3)
    })
  })
}

/** What the scheduler says is kept as it is. */
const reasons = { hosts: 2, rejected: [], candidates: [], forced: false } as unknown as PlacementReasons

const aUser = (id: string, name: string) => ({
  id,
  name,
  domainId: 'default',
  enabled: true,
  email: null,
  description: null,
  defaultProjectId: null,
  extra: {},
})

const aToken = {
  auditId: 'audit',
  userId: 'u1',
  projectId: null,
  domainId: null,
  system: false,
  methods: ['password'],
  issuedAt: 1,
}

/** The contract of a store for what happens at the same time, from several connections and several openings of it. */
import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { LodgeError } from '../../src/base/errors.ts'
import type { Action } from '../../src/model/action.ts'
import { allowedStates } from '../../src/model/allowed-states.ts'
import { beginAction, finishAction, leaseActions, type BeginAction } from '../../src/store/actions.ts'
import { allocatedOn, claimOneOf, release } from '../../src/store/allocations.ts'
import { insertFlavor } from '../../src/store/flavors.ts'
import { getHost, upsertHost } from '../../src/store/hosts.ts'
import { countKeyPairs, insertKeyPair } from '../../src/store/key-pairs.ts'
import { serverUsage } from '../../src/store/quota-usage.ts'
import {
  getServer,
  getServers,
  insertServer,
  markServerDeleted,
  updateServer,
} from '../../src/store/servers.ts'
import { ensureService, listServices } from '../../src/store/services.ts'
import type { Store } from '../../src/store/store.ts'
import { aFlavor, aHost, aKeyPair, aServer } from './store-records.ts'

/**
 * Registers the suite. `open` gives an empty database, opened by as many controllers as its kind allows: with SQLite
 * that is one.
 */
export function storeRaces(name: string, open: () => Promise<Store[]>): void {
  describe(`what happens at once on ${name}`, { timeout: 120_000 }, () => {
    let stores: Store[]
    before(async () => {
      stores = await open()
    })
    after(() => Promise.all(stores.map((store) => store.close())))

    /** Runs `work` so many times at once, over all openings. */
    const atOnce = <T>(times: number, work: (store: Store, index: number) => Promise<T>): Promise<T[]> =>
      Promise.all(Array.from({ length: times }, (_, index) => work(stores[index % stores.length]!, index)))

    it('claims never take more than a host has, and their sum is what is noted', async () => {
      const store = stores[0]!
      const hosts = ['small', 'large']
      await store.transaction((trx) => upsertHost(trx, aHost('small', { vcpus: 7, memoryMiB: 640 }), 1))
      await store.transaction((trx) => upsertHost(trx, aHost('large', { vcpus: 40, memoryMiB: 1900 }), 1))
      const resources = { vcpus: 1, memoryMiB: 64, diskGiB: 1 }
      const taken = await atOnce(120, async (one, index) => {
        const serverId = `claim-${index}`
        // Each tries both, in either order: what an unlucky pair would deadlock on.
        const order = index % 2 === 0 ? hosts : hosts.toReversed()
        const host = await one.transaction((trx) => claimOneOf(trx, order, { serverId, resources }, 1))
        if (host !== null && index % 3 === 0) await one.transaction((trx) => release(trx, serverId))
        return host
      })
      assert.ok(taken.includes(null), 'there was not enough for all')
      for (const name of hosts) {
        const host = (await getHost(store.db, name))!
        assert.deepEqual(
          (await allocatedOn(store.db, [name])).get(name) ?? { vcpus: 0, memoryMiB: 0, diskGiB: 0 },
          host.used,
        )
        assert.ok(host.used.vcpus <= host.capacity.vcpus && host.used.memoryMiB <= host.capacity.memoryMiB)
        assert.ok(host.used.vcpus > 0)
      }
    })

    it('a quota holds however many ask at once', async () => {
      const limit = 10
      const results = await Promise.allSettled(
        Array.from({ length: 40 }, (_, index) =>
          stores[index % stores.length]!.transaction(async (trx) => {
            const { instances } = await serverUsage(trx, 'quota')
            if (instances >= limit) throw new LodgeError('forbidden', 'too many')
            await insertServer(trx, aServer(`quota-${index}`, { projectId: 'quota' }))
          }),
        ),
      )
      assert.equal(results.filter(({ status }) => status === 'fulfilled').length, limit)
      assert.equal((await serverUsage(stores[0]!.db, 'quota')).instances, limit)
      // Deletes and changes of size at the same moment: what is noted is what the servers sum up to.
      const flavor = { ...aServer('any').flavor, vcpus: 3 }
      const servers = await stores[0]!.db
        .selectFrom('servers')
        .select('id')
        .where('project_id', '=', 'quota')
        .execute()
      await Promise.all(
        servers.map(({ id }, index) =>
          stores[index % stores.length]!.transaction<unknown>((trx) =>
            index % 2 === 0 ? markServerDeleted(trx, id, 5) : updateServer(trx, id, { flavor }, 5),
          ),
        ),
      )
      const left = limit / 2
      assert.deepEqual(Object.values(await serverUsage(stores[0]!.db, 'quota')), [left, left * 3, left * 64])
      await Promise.allSettled(
        Array.from({ length: 20 }, (_, index) =>
          stores[index % stores.length]!.transaction(async (trx) => {
            if ((await countKeyPairs(trx, 'quota')) >= limit) throw new LodgeError('forbidden', 'too many')
            await insertKeyPair(trx, aKeyPair('quota', `key-${index}`))
          }),
        ),
      )
      assert.equal(await countKeyPairs(stores[0]!.db, 'quota'), limit)
    })

    it('of those who take one name, one wins and the others are told', async () => {
      const attempts = await Promise.allSettled(
        Array.from({ length: 16 }, (_, index) =>
          stores[index % stores.length]!.transaction((trx) =>
            insertFlavor(trx, aFlavor(`race-${index}`, 'one name')),
          ),
        ),
      )
      const lost = attempts.filter((attempt) => attempt.status === 'rejected')
      assert.equal(lost.length, 15)
      for (const { reason } of lost)
        assert.match((reason as LodgeError).message, /Flavor with name one name already exists/)
    })

    it('a host that reports to all controllers at once is one host', async () => {
      await atOnce(12, (store) =>
        store.transaction(async (trx) => {
          await upsertHost(trx, aHost('new'), 1)
          await ensureService(trx, { binary: 'nova-compute', host: 'new' }, 1)
        }),
      )
      assert.equal((await listServices(stores[0]!.db, { host: 'new' })).length, 1)
    })

    it('no change of a server is lost that was made on what another one read', async () => {
      await insertServer(stores[0]!.db, aServer('counted', { vmState: 'active', taskState: null }))
      await atOnce(30, (store, index) =>
        store.transaction(async (trx) => {
          const { metadata } = (await getServer(trx, 'counted'))!
          await updateServer(trx, 'counted', { metadata: { ...metadata, [index]: 'x' } }, 2)
        }),
      )
      const { metadata } = (await getServer(stores[0]!.db, 'counted'))!
      assert.equal(Object.keys(metadata).length, 30)
    })

    it('of actions that exclude each other, and of deletes, one begins', async () => {
      await insertServer(stores[0]!.db, aServer('wanted', { vmState: 'active', taskState: null }))
      const stops = await atOnce(12, (store) => store.transaction((trx) => beginAction(trx, aStop('wanted'))))
      assert.equal(stops.filter((action) => action !== null).length, 1)
      const deletes = await atOnce(12, (store) =>
        store.transaction((trx) => beginAction(trx, aDelete('wanted'))),
      )
      assert.equal(deletes.filter((action) => action !== null).length, 1)
    })

    it('each action is leased once, and those of one server in order', async () => {
      const store = stores[0]!
      const servers = Array.from({ length: 40 }, (_, index) => `leased-${index}`)
      for (const id of servers)
        await store.transaction(async (trx) => {
          await insertServer(trx, aServer(id, { vmState: 'active', taskState: null }))
          assert.ok(await beginAction(trx, aStop(id)))
          assert.ok(await beginAction(trx, aDelete(id)))
        })
      const leased = new Map<string, string>()
      const running = new Map<string, string>()
      const conductors = Array.from({ length: 8 }, (_, index) => `conductor-${index}`)
      await Promise.all(
        conductors.map(async (owner, index) => {
          const own = stores[index % stores.length]!
          for (let idle = 0; idle < 5;) {
            const actions = await own.transaction((trx) =>
              leaseActions(trx, { owner, now: Date.now(), leaseMs: 60_000, limit: 7, takeOver: 'expired' }),
            )
            idle = actions.length === 0 ? idle + 1 : 0
            for (const action of actions) note(action, owner)
            for (const action of actions) await finish(own, action, owner)
          }
        }),
      )
      const { length } = [...leased.keys()]
      const begun = await getServers(store.db, servers)
      assert.equal(begun.length, 40)
      assert.ok(length >= 80, `${length} of 80 actions were leased`)

      function note(action: Action, owner: string): void {
        assert.equal(leased.get(action.id), undefined, 'leased twice')
        leased.set(action.id, owner)
        if (!action.serverId.startsWith('leased-')) return
        const other = running.get(action.serverId)
        assert.ok(other === undefined || other === owner, `${owner} and ${other} work on ${action.serverId}`)
        if (action.name === 'delete')
          assert.ok(other === owner || stopped.has(action.serverId), 'the later action came first')
        running.set(action.serverId, owner)
      }
      async function finish(own: Store, action: Action, owner: string): Promise<void> {
        const { serverId } = action
        if (action.name === 'stop') stopped.add(serverId)
        running.delete(serverId)
        const end = { owner, state: 'done' as const, message: null, now: Date.now() }
        assert.ok(await own.transaction((trx) => finishAction(trx, action.id, end)))
      }
    })
    const stopped = new Set<string>()
  })
}

const request = { requestId: 'r', projectId: 'p', userId: 'u', params: {}, now: 1, deadline: 9 }

const aStop = (serverId: string): BeginAction<'stop'> => ({
  ...request,
  serverId,
  name: 'stop',
  change: { allowed: allowedStates.stop, patch: { taskState: 'powering-off' } },
})

const aDelete = (serverId: string): BeginAction<'delete'> => ({
  ...request,
  serverId,
  name: 'delete',
  change: { allowed: allowedStates.delete, patch: { taskState: 'deleting' } },
})

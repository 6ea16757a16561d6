import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { LodgeError } from '../../../src/base/errors.ts'
import { createGroupWriter } from '../../../src/conductor/group-writer.ts'
import { openSqliteStore } from '../../../src/store/open-sqlite.ts'
import { ensureService, listServices } from '../../../src/store/services.ts'
import type { Db, Store } from '../../../src/store/store.ts'

const add = (host: string) => async (trx: Db) => {
  await ensureService(trx, { binary: 'nova-compute', host }, 1)
  return host
}

describe('the group writer', { timeout: 10_000 }, () => {
  it('writes what is asked for in one turn in one transaction', async () => {
    const { store, transactions } = await countingStore()
    const writer = createGroupWriter(store, () => assert.fail('nothing to roll back'))
    const values = await Promise.all(['a', 'b', 'c'].map((host) => writer.write(add(host))))
    assert.deepEqual(values, ['a', 'b', 'c'])
    assert.equal(transactions(), 1)
    await store.close()
  })

  it('does the others all the same when one throws, and undoes what that one wrote', async () => {
    const { store } = await countingStore()
    let rollbacks = 0
    const writer = createGroupWriter(store, () => (rollbacks += 1))
    const bad = writer.write(async (trx) => {
      await add('bad')(trx)
      throw new LodgeError('conflict', 'no')
    })
    const results = await Promise.allSettled([writer.write(add('a')), bad, writer.write(add('b'))])
    assert.deepEqual(
      results.map(({ status }) => status),
      ['fulfilled', 'rejected', 'fulfilled'],
    )
    assert.deepEqual(
      (await listServices(store.db)).map(({ host }) => host),
      ['a', 'b'],
    )
    assert.ok(rollbacks > 0)
    await writer.idle()
    await store.close()
  })

  it('where transactions run at once, only puts those together that wait for no locks, and no more than it must', async () => {
    const { store } = await countingStore()
    const groups: string[][] = []
    const many: Store = {
      ...store,
      connections: 4,
      transaction: (work) => {
        groups.push([])
        return work((groups.length - 1) as never)
      },
    }
    const writer = createGroupWriter(many, () => assert.fail('nothing to roll back'))
    const note = (name: string, waitsForNoLocks: boolean) =>
      writer.write(async (trx) => void groups[trx as unknown as number]!.push(name), { waitsForNoLocks })
    await Promise.all([note('a', true), note('b', true)])
    assert.deepEqual(groups.splice(0), [['a'], ['b']])
    await Promise.all([
      ...['a', 'b', 'c', 'd', 'e', 'f'].map((name) => note(name, true)),
      note('locks', false),
    ])
    assert.deepEqual(groups.splice(0).toSorted(), [['a', 'b', 'c', 'd'], ['e', 'f'], ['locks']])
    await store.close()
  })

  it('takes what is asked for while it writes', async () => {
    const { store } = await countingStore()
    const writer = createGroupWriter(store, () => undefined)
    let inner: Promise<string> | undefined
    await writer.write(async (trx) => {
      inner = writer.write(add('inner'))
      return add('outer')(trx)
    })
    assert.equal(await inner, 'inner')
    await store.close()
  })
})

async function countingStore(): Promise<{ store: Store; transactions: () => number }> {
  const real = await openSqliteStore({ path: ':memory:' })
  let count = 0
  const store: Store = {
    ...real,
    transaction: (work) => {
      count += 1
      return real.transaction(work)
    },
  }
  return { store, transactions: () => count }
}

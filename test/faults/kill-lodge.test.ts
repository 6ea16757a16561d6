/**
 * `kill -9` of `lodge up` in the middle of twenty creates, at random moments, ten times: what was answered with 202
 * is never lost, every server ends ACTIVE or in a clean ERROR, and nothing is left without its server.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { makeBed, type Bed } from '../support/bed.ts'
import { until } from '../support/until.ts'

const rounds = 10
const creates = 20

let bed: Bed
before(async () => {
  bed = await makeBed({ agent: { memoryAllocationRatio: 16, cpuAllocationRatio: 64, reservedMemoryMiB: 0 } })
  // One server boots first, so that the image is in the cache and the rounds meet builds, not downloads.
  await bed.reach(await bed.create('warm'), ['ACTIVE'])
})
after(() => bed?.remove())

for (let round = 1; round <= rounds; round++) {
  const moment = Math.round(Math.random() * 3000)
  test(`round ${round}: killed ${moment} ms into ${creates} creates`, { timeout: 600_000 }, async (t) => {
    const accepted: string[] = []
    const creating = Array.from({ length: creates }, async (_, i) => {
      await delay(i * 100)
      // A create whose answer the kill swallowed may exist or not; only what was answered counts as promised.
      await bed.create(`r${round}-${i}`).then(
        (id) => accepted.push(id),
        () => undefined,
      )
    })
    await delay(moment)
    await bed.lodge.kill9()
    await Promise.all(creating)

    await bed.restartLodge()
    let active = 0
    for (const id of accepted) {
      const server = await bed.reach(id, ['ACTIVE', 'ERROR'], 400_000)
      if (server['status'] === 'ACTIVE') active++
      else assert.ok((server['fault'] as { message: string }).message, `fault of ${id}`)
    }
    t.diagnostic(`${accepted.length} were answered with 202, ${active} of them became ACTIVE`)
    // The host has room for all; what was begun is gone on with, not given up.
    assert.ok(active >= accepted.length * 0.9, `only ${active} of ${accepted.length} became ACTIVE`)
    await until('all creates to be settled', 400_000, async () => {
      const { body } = await bed.api.must('GET', '/compute/v2.1/servers/detail')
      return body.servers.every((server: { status: string }) => ['ACTIVE', 'ERROR'].includes(server.status))
    })
    const { status, output } = bed.doctor()
    assert.equal(status, 0, output)

    await deleteAllBut('warm')
    const afterwards = bed.doctor()
    assert.equal(afterwards.status, 0, afterwards.output)
    assert.match(afterwards.output, /1 servers, 1 domains, 1 disk directories/)
  })
}

async function deleteAllBut(name: string): Promise<void> {
  const list = async (): Promise<{ id: string; name: string }[]> =>
    (await bed.api.must('GET', '/compute/v2.1/servers')).body.servers
  for (const server of await list())
    if (server.name !== name) await bed.api.must('DELETE', `/compute/v2.1/servers/${server.id}`)
  await until('the servers to be gone', 120_000, async () => (await list()).length === 1)
}

/** `kill -9` of libvirtd while guests run: noticed, reconnected, states right, no guest touched. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { after, before, test } from 'node:test'
import { makeBed, type Bed } from '../support/bed.ts'
import { until } from '../support/until.ts'

let bed: Bed
before(async () => {
  bed = await makeBed({ agent: { reconcileSeconds: 10 } })
})
after(() => bed?.remove())

/** Process ids of the QEMU processes that run guests of this bed. */
function guestProcesses(): string[] {
  const all = execFileSync('ps', ['-eo', 'pid=,args='], { encoding: 'utf8' }).split('\n')
  return all
    .filter((line) => line.includes('qemu-system') && line.includes(bed.state))
    .map((line) => line.trim().split(' ')[0]!)
    .sort()
}

test('guests outlive libvirtd, and Lodge finds them again', { timeout: 600_000 }, async () => {
  const running = await Promise.all(['a', 'b'].map((name) => bed.create(name)))
  for (const id of running) await bed.reach(id, ['ACTIVE'])
  const [kept, paused] = running as [string, string]
  await bed.api.must('POST', `/compute/v2.1/servers/${paused}/action`, { pause: null })
  await bed.reach(paused, ['PAUSED'])
  const before = guestProcesses()
  assert.equal(before.length, 2)

  await bed.libvirtd.kill9()
  // While libvirtd is away an action waits for it; it is not lost and does not fail.
  await bed.api.must('POST', `/compute/v2.1/servers/${paused}/action`, { unpause: null })
  await bed.libvirtd.restart()

  await bed.reach(paused, ['ACTIVE'], 60_000)
  await bed.reach(kept, ['ACTIVE'])
  assert.deepEqual(guestProcesses(), before, 'the same processes run the guests')

  // Events are registered again: a guest that ends behind Lodge's back is seen without waiting for a census.
  execFileSync('virsh', ['-c', bed.libvirtd.uri, 'destroy', kept])
  await until('the server to be seen off', 15_000, async () => {
    const { body } = await bed.api.must('GET', `/compute/v2.1/servers/${kept}`)
    return body.server.status === 'SHUTOFF'
  })
  const { status, output } = bed.doctor()
  assert.equal(status, 0, output)
})

test('Lodge starts while libvirtd is away, and goes on when it is back', { timeout: 600_000 }, async () => {
  const id = await bed.create('c')
  await bed.reach(id, ['ACTIVE'])
  await bed.libvirtd.kill9()
  assert.equal(await bed.lodge.stop(), 0)
  await bed.restartLodge()
  await bed.reach(id, ['ACTIVE'])
  const asked = await bed.api.must('POST', `/compute/v2.1/servers/${id}/action`, { pause: null })
  assert.equal(asked.status, 202)
  await bed.libvirtd.restart()
  await bed.reach(id, ['PAUSED'], 60_000)
  const { status, output } = bed.doctor()
  assert.equal(status, 0, output)
})

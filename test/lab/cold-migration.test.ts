/** Servers move with their disks between the hosts of a lab: agents of their own, the agents' own TLS channel, real guests. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { openColdMoves, type ColdMoves, type ShownServer } from '../support/cold-moves.ts'
import { until } from '../support/until.ts'

const gib = 2 ** 30

describe('cold migration and resize in a lab', { timeout: 500_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-cold-'))
  let moves: ColdMoves
  let imageRef: string
  let small: string
  let large: string
  let id: string

  before(async () => {
    const image = await buildGuestImage({ directory: join(directory, 'images') })
    moves = await openColdMoves({ directory, shutdownTimeoutSeconds: 30 })
    imageRef = await moves.addImage(image.path)
    small = await moves.addFlavor(128, 1)
    large = await moves.addFlavor(160, 2)
    id = await moves.create({ imageRef, flavorRef: small, host: 'host1' })
    await booted(1)
  })
  after(async () => {
    await moves?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  /** The guest counts its boots on its disk, and says what disk it has: the console's last boot tells both. */
  async function booted(count: number): Promise<string> {
    let said = ''
    return until(`boot ${count}`, 120_000, async () => {
      const action = { 'os-getConsoleOutput': { length: null } }
      const answer = await moves.api.call('POST', `/compute/v2.1/servers/${id}/action`, action)
      const last =
        String(answer.body?.output ?? '')
          .split('=== Lodge test guest ===')
          .at(-1) ?? ''
      said = last
      return /^tick \d+/m.test(last) && new RegExp(`^boot ${count}\\b`, 'm').test(last) ? last : undefined
    }).catch((error: unknown) => assert.fail(`${String(error)}; it says: ${said}`))
  }
  const move = async (host: string): Promise<ShownServer> => {
    await moves.act(id, { migrate: { host } })
    return moves.reach(id, 'VERIFY_RESIZE', host)
  }

  test('a guest comes up at the other host with what it had written, and the source lets go when confirmed', async () => {
    await move('host2')
    await booted(2)
    const { host1, host2 } = await moves.places(id)
    assert.deepEqual(host1, { domain: null, directories: [`${id}_resize`] })
    assert.deepEqual(host2, { domain: 'running', directories: [id] })
    assert.deepEqual(await moves.allocatedOn(id), ['host1', 'host2'])

    await moves.act(id, { confirmResize: null })
    await moves.reach(id, 'ACTIVE', 'host2')
    await moves.assertOnlyAt(id, 'host2')
  })

  test('taken back, it is as it was before, and the destination has nothing of it', async () => {
    await move('host1')
    await booted(3)
    await moves.act(id, { revertResize: null })
    await moves.reach(id, 'ACTIVE', 'host2')
    // The boot at the other host was of a copy.
    await booted(3)
    await moves.assertOnlyAt(id, 'host2')
  })

  test('a resize to the other host grows the disk, which is never shrunk', async () => {
    await moves.act(id, { resize: { flavorRef: large } })
    await moves.reach(id, 'VERIFY_RESIZE', 'host1')
    assert.match(await booted(4), new RegExp(`disk vda ${2 * gib} bytes`))
    await moves.act(id, { confirmResize: null })
    await moves.reach(id, 'ACTIVE', 'host1')
    await moves.assertOnlyAt(id, 'host1')

    const path = `/compute/v2.1/servers/${id}/action`
    const refused = await moves.api.call('POST', path, { resize: { flavorRef: small } })
    assert.equal(refused.status, 400)
    await moves.reach(id, 'ACTIVE', 'host1')
    await moves.assertOnlyAt(id, 'host1')
  })

  test('a server that is off stays off, and its image need not be there any more', async () => {
    await moves.act(id, { 'os-stop': null })
    await moves.reach(id, 'SHUTOFF', 'host1')
    await moves.api.must('DELETE', `/image/v2/images/${imageRef}`)
    // Gone from the other host's cache, too, as it is after a day without a server that needs it.
    await moves.host('host2').exec(['sh', '-c', 'rm -rf /var/lib/libvirt/lodge/agent/images/*'])
    await move('host2')
    assert.equal((await moves.places(id))['host2']!.domain, 'shut off')
    await moves.act(id, { confirmResize: null })
    await moves.reach(id, 'SHUTOFF', 'host2')
    await moves.assertOnlyAt(id, 'host2')
    await moves.act(id, { 'os-start': null })
    await moves.reach(id, 'ACTIVE', 'host2')
    await booted(5)
  })

  test('deleted while a move waits to be confirmed, it is gone from both hosts', async () => {
    await move('host1')
    await moves.api.must('DELETE', `/compute/v2.1/servers/${id}`)
    await until('nothing to be left', 60_000, async () => {
      const places = Object.values(await moves.places(id))
      return places.every(({ domain, directories }) => domain === null && directories.length === 0)
    })
    assert.deepEqual(await moves.allocatedOn(id), [])
    assert.deepEqual(await moves.violations(), [])
  })
})

/** Guests move encrypted, memory and disks, between hosts that know each other by their certificates. */
import assert from 'node:assert/strict'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { certifyHosts, pkiDirectory } from '../../src/lab/lab-certificates.ts'
import { startMovingGuest, type MovingGuest } from '../support/moving-guest.ts'
import { until } from '../support/until.ts'

const migration = { uri: `qemu+tls://%s/system?pkipath=${pkiDirectory}`, tls: true }

describe('live migration over TLS', { timeout: 400_000 }, () => {
  let guest: MovingGuest
  before(async () => {
    guest = await startMovingGuest({ hosts: 2, migration })
  })
  after(() => guest?.stop())

  const monitor = async (host: string, command: string): Promise<string> => {
    const words = ['virsh', 'qemu-monitor-command', guest.server().id, JSON.stringify({ execute: command })]
    return (await guest.agentAt(host).host.exec(words)).stdout
  }

  it('moves a guest with its disk', async () => {
    const source = guest.server().host!
    const dest = guest.elsewhere()
    for (const { migration: settings } of guest.agents.agents.values()) settings.bandwidthMiBps = 16
    const before = await guest.countsOn()
    await guest.begin(dest)
    const disk = await until(
      'the disk to be on its way',
      60_000,
      async () => /"(nbd:[^"]+)"/.exec(await monitor(source, 'query-named-block-nodes'))?.[1],
    )
    // Who does not speak TLS gets no answer.
    const plain = guest.agentAt(source).host.exec(['qemu-img', 'info', disk])
    await assert.rejects(plain, /TLS/)
    await until('the memory to be on its way', 60_000, async () =>
      /"status": *"active"/.test(await monitor(source, 'query-migrate')),
    )
    assert.match(await monitor(source, 'query-migrate-parameters'), /"tls-creds": *"[^"]+"/)
    await guest.assertAt(dest)
    assert.equal((await guest.migration()).status, 'completed')
    assert.ok((await guest.countsOn()) > before)
    for (const { migration: settings } of guest.agents.agents.values()) settings.bandwidthMiBps = 0
  })

  it('gives no guest to a host whose certificate another authority has signed', async () => {
    const source = guest.server().host!
    const dest = guest.elsewhere()
    const { host } = guest.agentAt(dest)
    // QEMU reads its certificates for each migration; libvirtd has read its own long ago.
    certifyHosts([{ etc: join(host.directory, 'etc'), name: host.name, address: host.address }])
    const before = await guest.countsOn()
    await guest.begin(dest)
    await guest.assertAt(source)
    assert.equal((await guest.migration()).status, 'failed')
    assert.ok((await guest.countsOn()) > before)
  })
})

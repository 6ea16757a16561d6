/**
 * An example to copy: your own test on real hypervisor hosts. It starts two, runs a guest on one, moves it to the
 * other while it runs, and crashes the host it came from. docs/lab.md explains what `startLab` gives you.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import type { Lab } from '../../src/lab/lab.ts'
import { startLab } from '../../src/lab/start-lab.ts'

describe('a guest on a shared disk', { timeout: 120_000 }, () => {
  // The hosts share every path that is not private to each, so this directory is shared storage to them.
  const directory = mkdtempSync(join(tmpdir(), 'example-lab-'))
  const disk = join(directory, 'guest.qcow2')
  let lab: Lab

  before(async () => {
    lab = await startLab({ hosts: 2, directory })
  })
  after(async () => {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  test('moves away before its host crashes', async () => {
    const [from, to] = lab.hosts
    assert.ok(from && to)

    await from.exec(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '16M'])
    // From here this is the domain XML of your guest; `exec` runs programs as on a machine of its own.
    const xml = `<domain type='qemu'>
      <name>example</name><memory unit='MiB'>64</memory><os><type>hvm</type></os>
      <devices><disk type='file'>
        <driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/>
      </disk></devices>
    </domain>`
    await from.exec(['sh', '-c', 'printf %s "$1" > /run/example.xml', 'sh', xml])
    await from.exec(['virsh', 'create', '/run/example.xml'])

    // The disk is ext4 or tmpfs to both, which libvirt does not take for shared storage: hence --unsafe.
    const target = `qemu+tcp://${to.address}/system`
    await from.exec(['virsh', 'migrate', '--live', '--p2p', '--unsafe', 'example', target])
    await from.kill()

    assert.equal(from.isUp(), false)
    assert.equal((await to.exec(['virsh', '-q', 'domstate', 'example'])).stdout.trim(), 'running')
  })
})

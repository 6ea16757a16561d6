import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { LabHost } from '../../src/lab/lab.ts'

const images = '/var/lib/libvirt/images'

/** Makes the host's storage pool, which libvirt wants at a migration's both ends. */
export async function makePool(host: LabHost): Promise<void> {
  await host.exec(['virsh', '-q', 'pool-define-as', 'images', 'dir', '--target', images])
  await host.exec(['virsh', '-q', 'pool-start', 'images'])
  await host.exec(['virsh', '-q', 'pool-autostart', 'images'])
}

/** Starts a guest with an empty disk: it runs, in its firmware, and is all that migrations and crashes ask for. */
export async function startBlankGuest(host: LabHost, name: string): Promise<void> {
  const disk = `${images}/${name}.qcow2`
  await host.exec(['qemu-img', 'create', '-q', '-f', 'qcow2', disk, '16M'])
  // Seen inside as /run/NAME.xml.
  writeFileSync(join(host.directory, 'run', `${name}.xml`), domain(name, disk))
  await host.exec(['virsh', '-q', 'create', `/run/${name}.xml`])
}

/** The names of the guests that run on the host. */
export async function guestsOn(host: LabHost): Promise<string[]> {
  const { stdout } = await host.exec(['virsh', '-q', 'list', '--name'])
  return stdout.split('\n').filter((line) => line !== '')
}

const domain = (name: string, disk: string): string => `
<domain type='qemu'>
  <name>${name}</name>
  <memory unit='MiB'>64</memory>
  <vcpu>1</vcpu>
  <os><type arch='x86_64' machine='q35'>hvm</type></os>
  <devices>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/>
      <source file='${disk}'/>
      <target dev='vda' bus='virtio'/>
    </disk>
  </devices>
</domain>`

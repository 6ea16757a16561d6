import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { domainXml } from '../../src/agent/domain-xml/domain-xml.ts'
import { systemClock } from '../../src/base/clock.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { ServerSpec } from '../../src/model/server-spec.ts'
import { buildGuestImage, type GuestImage } from '../guest/build-guest-image.ts'
import { domainInputs, plainSpec } from '../support/domain-inputs.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'

let directory: string
let libvirtd: PrivateLibvirtd
let guest: GuestImage
let disks: Disks

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-dx-'))
  guest = await buildGuestImage({ directory })
  disks = createFileDisks({
    host: 'here',
    directory: join(directory, 'state'),
    images: {
      fetch: (_id, target) => copyFile(guest.path, target),
      store: () => Promise.reject(new LodgeError('internal', 'not here')),
    },
    clock: systemClock,
    log: silentLogger(),
    toolLimits: { addressSpaceMiB: 2048, cpuSeconds: 30 },
  })
  libvirtd = await startPrivateLibvirtd({ dir: directory })
})

after(async () => {
  await libvirtd?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const virsh = (...args: string[]): string =>
  execFileSync('virsh', ['-q', '-c', libvirtd.uri, ...args], {
    encoding: 'utf8',
    stdio: 'pipe',
    timeout: 120_000,
  })

function define(xml: string): void {
  const path = join(directory, 'domain.xml')
  writeFileSync(path, xml)
  // Against libvirt's own schema, which catches what its parser would only ignore.
  virsh('define', '--validate', path)
}

const uefiIsMissing = !existsSync('/usr/share/OVMF') && 'no UEFI firmware is installed (package ovmf)'

// KVM's are left out: a host without it may refuse them.
for (const [name, input] of Object.entries(domainInputs).filter(
  ([, { capabilities }]) => capabilities.virtType === 'qemu',
))
  test(`libvirt takes the domain: ${name}`, { skip: name === 'uefi' && uefiIsMissing }, () => {
    define(domainXml(input).xml)
    try {
      const seen = virsh('dumpxml', '--inactive', input.spec.domainName)
      assert.match(seen, /<lodge:server xmlns:lodge="urn:lodge:domain:1">/)
      assert.doesNotMatch(seen, /<evil|<script|<x>/)
    } finally {
      virsh('undefine', '--nvram', input.spec.domainName)
    }
  })

test('with UEFI the firmware comes up', { skip: uefiIsMissing }, async () => {
  const spec = guestSpec({ hw_firmware_type: 'uefi' })
  await withDomain(spec, async () => {
    assert.match(virsh('dumpxml', spec.domainName), /<loader .*OVMF/)
    assert.doesNotMatch(virsh('dumpxml', spec.domainName), /secure='yes'/)
    // The test guest's disk is for BIOS, so this is as far as it gets.
    await untilSaid(spec.id, /BdsDxe|UEFI/)
  })
})

const machines: { machine: string; bus: string; extra: boolean }[] = [
  { machine: 'pc', bus: 'virtio', extra: true },
  { machine: 'q35', bus: 'scsi', extra: false },
]
for (const { machine, bus, extra } of machines)
  test(`a guest boots on ${machine} with ${bus} disks, and finds itself as described`, async () => {
    const spec = guestSpec(
      { hw_machine_type: machine, hw_disk_bus: bus },
      { ephemeralGiB: extra ? 1 : 0, swapMiB: extra ? 16 : 0 },
    )
    await withDomain(spec, async (machineType) => {
      assert.equal(machineType, machine)
      const said = await untilSaid(spec.id, /login:/)
      assert.match(said, new RegExp(`^uuid ${spec.id}$`, 'm'))
      if (extra)
        for (const line of ['disk vda 1073741824', 'disk vdb 1073741824', 'disk vdc 16777216'])
          assert.ok(said.includes(line), said)
      assert.equal((await disks.readConsole(spec.id, 2)).split('\n').length, 2)
      assert.match(virsh('vncdisplay', spec.domainName), /^127\.0\.0\.1:/)
    })
  })

function guestSpec(
  properties: Record<string, string>,
  flavor: Partial<ServerSpec['flavor']> = {},
): ServerSpec {
  const sha512 = createHash('sha512').update(readFileSync(guest.path)).digest('hex')
  return {
    ...plainSpec,
    flavor: { ...plainSpec.flavor, memoryMiB: 128, ...flavor },
    image: { ...plainSpec.image, sizeBytes: guest.sizeBytes, sha512, properties },
  }
}

/** Builds and starts the server, lets `look` at it, and removes it. */
async function withDomain(spec: ServerSpec, look: (machineType: string) => Promise<void>): Promise<void> {
  const { xml, machineType } = domainXml({
    ...domainInputs.plain!,
    spec,
    disks: await disks.prepare(spec),
    consoleLogPath: disks.consoleLogPath(spec.id),
  })
  define(xml)
  try {
    virsh('start', spec.domainName)
    await look(machineType)
  } finally {
    virsh('destroy', spec.domainName)
    virsh('undefine', '--nvram', spec.domainName)
    await disks.remove(spec.id)
  }
}

async function untilSaid(serverId: string, what: RegExp): Promise<string> {
  for (const end = Date.now() + 90_000; ; await delay(100)) {
    const said = await disks.readConsole(serverId, null)
    if (what.test(said)) return said
    assert.ok(Date.now() < end, `the guest never said ${what}:\n${said}`)
  }
}

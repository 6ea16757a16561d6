import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
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

// KVM's are left out: a host without it may refuse them.
for (const [name, input] of Object.entries(domainInputs).filter(
  ([, { capabilities }]) => capabilities.virtType === 'qemu',
))
  test(`libvirt takes the domain: ${name}`, () => {
    define(domainXml(input).xml)
    try {
      const seen = virsh('dumpxml', '--inactive', input.spec.domainName)
      assert.match(seen, /<lodge:server xmlns:lodge="urn:lodge:domain:1">/)
      assert.doesNotMatch(seen, /<evil|<script|<x>/)
    } finally {
      virsh('undefine', input.spec.domainName)
    }
  })

const machines: { machine: string; bus: string; extra: boolean }[] = [
  { machine: 'pc', bus: 'virtio', extra: true },
  { machine: 'q35', bus: 'scsi', extra: false },
]
for (const { machine, bus, extra } of machines)
  test(`a guest boots on ${machine} with ${bus} disks, and finds itself as described`, async () => {
    const spec: ServerSpec = {
      ...plainSpec,
      flavor: {
        ...plainSpec.flavor,
        memoryMiB: 128,
        ephemeralGiB: extra ? 1 : 0,
        swapMiB: extra ? 16 : 0,
      },
      image: {
        ...plainSpec.image,
        sizeBytes: guest.sizeBytes,
        sha512: createHash('sha512').update(readFileSync(guest.path)).digest('hex'),
        properties: { hw_machine_type: machine, hw_disk_bus: bus },
      },
    }
    const { xml, machineType } = domainXml({
      ...domainInputs.plain!,
      spec,
      disks: await disks.prepare(spec),
      consoleLogPath: disks.consoleLogPath(spec.id),
    })
    assert.equal(machineType, machine)
    define(xml)
    try {
      virsh('start', spec.domainName)
      const said = await untilLogin(spec.id)
      assert.match(said, new RegExp(`^uuid ${spec.id}$`, 'm'))
      if (extra)
        for (const line of ['disk vda 1073741824', 'disk vdb 1073741824', 'disk vdc 16777216'])
          assert.ok(said.includes(line), said)
      assert.equal((await disks.readConsole(spec.id, 2)).split('\n').length, 2)
      assert.match(virsh('vncdisplay', spec.domainName), /^127\.0\.0\.1:/)
    } finally {
      virsh('destroy', spec.domainName)
      virsh('undefine', spec.domainName)
      await disks.remove(spec.id)
    }
  })

async function untilLogin(serverId: string): Promise<string> {
  for (const end = Date.now() + 90_000; ; await delay(100)) {
    const said = await disks.readConsole(serverId, null)
    if (/login:/.test(said)) return said
    assert.ok(Date.now() < end, `the guest never came up:\n${said}`)
  }
}

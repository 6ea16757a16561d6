import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as fc from 'fast-check'
import { LodgeError } from '../../../src/base/errors.ts'
import { checkImage } from '../../../src/model/image-inspection/check-image.ts'
import { inspectImage } from '../../../src/model/image-inspection/inspect-image.ts'
import type { DiskFormat } from '../../../src/model/server-spec.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-images-'))
after(() => rmSync(directory, { recursive: true, force: true }))

let written = 0
function fileOf(bytes: Buffer): string {
  const path = join(directory, String(written++))
  writeFileSync(path, bytes)
  return path
}

/** A sound, empty qcow2 of version 3 with clusters of 64 KiB, `change`d at will. */
function qcow2(change: (file: Buffer) => void = () => undefined): Buffer {
  const cluster = 1 << 16
  const file = Buffer.alloc(4 * cluster)
  file.write('QFI\u00fb', 0, 'latin1')
  file.writeUInt32BE(3, 4)
  file.writeUInt32BE(16, 20)
  file.writeBigUInt64BE(1n << 30n, 24)
  file.writeUInt32BE(2, 36)
  file.writeBigUInt64BE(BigInt(3 * cluster), 40)
  file.writeBigUInt64BE(BigInt(cluster), 48)
  file.writeUInt32BE(1, 56)
  file.writeUInt32BE(4, 96)
  file.writeUInt32BE(104, 100)
  change(file)
  return file
}

function extension(type: number, text: string): (file: Buffer) => void {
  return (file) => {
    file.writeUInt32BE(type, 104)
    file.writeUInt32BE(text.length, 108)
    file.write(text, 112)
  }
}

const saneDescriptor = `# Disk DescriptorFile
version=1
CID=fffffffe
parentCID=ffffffff
createType="monolithicSparse"
RW 2048 SPARSE "disk.vmdk"
`

/** A VMDK header with an embedded descriptor. */
function vmdk(descriptor = saneDescriptor, change: (file: Buffer) => void = () => undefined): Buffer {
  const file = Buffer.alloc(64 * 1024)
  file.write('KDMV')
  file.writeUInt32LE(1, 4)
  file.writeBigUInt64LE(2048n, 12)
  file.writeBigUInt64LE(128n, 20)
  file.writeBigUInt64LE(1n, 28)
  file.writeBigUInt64LE(20n, 36)
  file.writeUInt32LE(512, 44)
  file.write(descriptor, 512)
  change(file)
  return file
}

const at = (offset: number, text: string, length = 1 << 16): Buffer => {
  const file = Buffer.alloc(length)
  file.write(text, offset, 'latin1')
  return file
}

const sane: [string, DiskFormat, Buffer, number][] = [
  ['qcow2', 'qcow2', qcow2(), 2 ** 30],
  ['a VMDK in one file', 'vmdk', vmdk(), 2 ** 20],
  ['raw', 'raw', Buffer.alloc(1_048_576, 1), 2 ** 20],
  ['a raw disk with a partition table', 'raw', at(510, '\u0055\u00aa'), 2 ** 16],
  ['an ISO', 'iso', at(0x8001, 'CD001'), 2 ** 16],
  ['an ISO declared raw', 'raw', at(0x8001, 'CD001'), 2 ** 16],
  ['a file system declared ami', 'ami', Buffer.alloc(4096, 7), 4096],
]

for (const [name, declared, bytes, virtualSizeBytes] of sane)
  test(`accepted: ${name}`, async () => {
    assert.equal((await checkImage(fileOf(bytes), declared)).virtualSizeBytes, virtualSizeBytes)
  })

const hostile: [string, DiskFormat, Buffer, RegExp][] = [
  [
    'CVE-2011-3147: qcow2 with a backing file',
    'qcow2',
    qcow2((file) => {
      file.writeBigUInt64BE(200n, 8)
      file.writeUInt32BE(11, 16)
      file.write('/etc/passwd', 200)
    }),
    /names a backing file/,
  ],
  [
    'a backing file by json:',
    'qcow2',
    qcow2((file) => {
      file.writeBigUInt64BE(200n, 8)
      file.writeUInt32BE(60, 16)
      file.write('json:{"driver":"raw","file.filename":"/etc/passwd"}', 200)
    }),
    /names a backing file/,
  ],
  [
    'OSSA-2024-001: qcow2 with its data elsewhere',
    'qcow2',
    qcow2((file) => file.writeBigUInt64BE(4n, 72)),
    /external file/,
  ],
  ['a data file by name only', 'qcow2', qcow2(extension(0x44_41_54_41, '/etc/passwd')), /external data file/],
  [
    'a data file behind another extension',
    'qcow2',
    qcow2((file) => {
      extension(0x68_03_f8_57, 'a'.repeat(13))(file)
      file.writeUInt32BE(0x44_41_54_41, 112 + 16)
      file.writeUInt32BE(8, 112 + 20)
    }),
    /external data file/,
  ],
  ['a feature that is not known', 'qcow2', qcow2((file) => file.writeBigUInt64BE(1n << 9n, 72)), /not known/],
  ['a corrupt one', 'qcow2', qcow2((file) => file.writeBigUInt64BE(2n, 72)), /marked corrupt/],
  ['encrypted qcow2', 'qcow2', qcow2((file) => file.writeUInt32BE(2, 32)), /encrypted/],
  ['internal snapshots', 'qcow2', qcow2((file) => file.writeUInt32BE(1, 60)), /internal snapshots/],
  ['qcow2 of version 4', 'qcow2', qcow2((file) => file.writeUInt32BE(4, 4)), /version 4/],
  [
    'OSSA-2016-012: a huge L1 table',
    'qcow2',
    qcow2((file) => file.writeUInt32BE(0xffff_ffff, 36)),
    /L1 table that is too large/,
  ],
  [
    'an L1 table past the end',
    'qcow2',
    qcow2((file) => file.writeBigUInt64BE(1n << 40n, 40)),
    /L1 table outside/,
  ],
  ['too small an L1 table', 'qcow2', qcow2((file) => file.writeUInt32BE(1, 36)), /too small/],
  [
    'OSSA-2016-012: a huge refcount table',
    'qcow2',
    qcow2((file) => file.writeUInt32BE(0xffff_ffff, 56)),
    /refcount table that is too large/,
  ],
  ['clusters of 2 GiB', 'qcow2', qcow2((file) => file.writeUInt32BE(31, 20)), /impossible size/],
  [
    'OSSA-2013-012: a virtual size of 8 EiB',
    'qcow2',
    qcow2((file) => file.writeBigUInt64BE(1n << 63n, 24)),
    /virtual size of 8589934592 GiB; the largest is 1048576\./,
  ],
  ['a header that ends early', 'qcow2', qcow2().subarray(0, 90), /ends within its header/],
  ['OSSA-2024-002: qcow2 declared raw', 'raw', qcow2(), /declared to be raw, and its content is qcow2/],
  ['qcow2 declared ami', 'ami', qcow2(), /its content is qcow2/],
  ['qcow2 declared iso', 'iso', qcow2((file) => file.write('CD001', 0x8001)), /its content is qcow2/],
  ['raw declared qcow2', 'qcow2', Buffer.alloc(4096), /declared to be qcow2, and its content is raw/],
  ['VMDK declared raw', 'raw', vmdk(), /its content is vmdk/],
  [
    'OSSA-2023-002: a VMDK descriptor that names /etc/passwd',
    'vmdk',
    Buffer.from(
      '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 8 FLAT "/etc/passwd" 0\n',
    ),
    /several files/,
  ],
  [
    'OSSA-2023-002: the same behind blank lines and comments, declared raw',
    'raw',
    Buffer.from('\n  \n# a\n#b\r\n version=1\nRW 8 FLAT "/etc/passwd" 0\n'),
    /its content is vmdk/,
  ],
  [
    'a sparse VMDK whose descriptor says monolithicFlat',
    'vmdk',
    vmdk(saneDescriptor.replace('monolithicSparse', 'monolithicFlat')),
    /type "monolithicFlat"/,
  ],
  [
    'a second type behind a zero byte',
    'vmdk',
    vmdk(`${saneDescriptor}\0createType="twoGbMaxExtentFlat"\n`),
    /twoGbMaxExtentFlat/,
  ],
  [
    'a VMDK extent elsewhere',
    'vmdk',
    vmdk(saneDescriptor.replace('"disk.vmdk"', '"/etc/passwd"')),
    /another file/,
  ],
  ['a flat VMDK extent', 'vmdk', vmdk(saneDescriptor.replace('SPARSE', 'FLAT')), /another file/],
  ['two VMDK extents', 'vmdk', vmdk(`${saneDescriptor}RW 1 SPARSE "b.vmdk"\n`), /2 VMDK extents/],
  [
    'a VMDK with a parent',
    'vmdk',
    vmdk(`${saneDescriptor}parentFileNameHint="/etc/passwd"\n`),
    /parent disk/,
  ],
  [
    'a VMDK with the id of a parent',
    'vmdk',
    vmdk(saneDescriptor.replace('ffffffff', '12345678')),
    /has a parent/,
  ],
  [
    'a VMDK without capacity, which points to its descriptor',
    'vmdk',
    vmdk(saneDescriptor, (file) => file.writeBigUInt64LE(0n, 12)),
    /without a capacity/,
  ],
  [
    'a VMDK whose footer tells another story',
    'vmdk',
    vmdk(saneDescriptor, (file) => {
      file.writeBigUInt64LE(2n ** 64n - 1n, 56)
      file.copy(file, file.length - 1024, 0, 512)
      file.writeBigUInt64LE(1n << 50n, file.length - 1024 + 12)
    }),
    /footer that contradicts/,
  ],
  ['LUKS', 'raw', at(0, 'LUKS\u00ba\u00be'), /its content is luks/],
  ['QED declared qcow2', 'qcow2', at(0, 'QED\0'), /its content is qed/],
  ['the first qcow', 'qcow2', at(0, 'QFI\u00fb\0\0\0\u0001'), /its content is qcow\b/],
  ['Parallels declared ploop', 'ploop', at(0, 'WithoutFreeSpace'), /its content is parallels/],
  ['a VHDX without its tables', 'vhdx', at(0, 'vhdxfile'), /region tables/],
  ['a VHD that was cut off', 'vhd', at(0, 'conectix'), /cut off/],
  [
    'a VDI with a parent',
    'vdi',
    (() => {
      const file = at(0, '<<< VDI >>>')
      file.writeUInt32LE(0xbe_da_10_7f, 0x40)
      file.writeUInt32LE(4, 0x4c)
      return file
    })(),
    /builds on another disk/,
  ],
  ['nothing at all', 'raw', Buffer.alloc(0), /is empty/],
]

for (const [name, declared, bytes, message] of hostile)
  test(`refused: ${name}`, async () => {
    const refusal = await checkImage(fileOf(bytes), declared).then(
      () => assert.fail('accepted'),
      (error: unknown) => error,
    )
    assert.ok(refusal instanceof LodgeError)
    assert.equal(refusal.kind, 'badRequest')
    assert.match(refusal.message, message)
    assert.match(refusal.message, /^The image cannot be used: .*\.$/)
  })

test('a sparse raw image of a terabyte is looked at as fast as a small one', async () => {
  const path = fileOf(Buffer.alloc(512))
  truncateSync(path, 2 ** 40)
  const started = performance.now()
  assert.deepEqual(await inspectImage(path), { format: 'raw', virtualSizeBytes: 2 ** 40, problems: [] })
  assert.ok(performance.now() - started < 1000)
})

test('whatever stands behind a signature, the inspector answers', async () => {
  const starts = [
    'QFI\u00fb\0\0\0\u0003',
    'QFI\u00fb\0\0\0\u0002',
    'KDMV',
    'vhdxfile',
    'conectix',
    'version=1\n',
    '',
  ]
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(...starts),
      fc.uint8Array({ maxLength: 2048, size: 'max' }),
      fc.nat({ max: 300 * 1024 }),
      async (start, noise, length) => {
        const path = join(directory, 'noise')
        writeFileSync(path, Buffer.concat([Buffer.from(start, 'latin1'), noise]))
        truncateSync(path, length)
        const { problems, virtualSizeBytes } = await inspectImage(path)
        assert.ok(problems.length > 0 || virtualSizeBytes > 0)
      },
    ),
    { numRuns: 300 },
  )
})

import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import {
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { copyFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { createImageTool, runProgram, type ToolLimits } from '../../src/agent/disk/image-tool.ts'
import { systemClock } from '../../src/base/clock.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { DiskFormat, ServerSpec } from '../../src/model/server-spec.ts'
import { isError, testDisks } from '../support/disks-suite.ts'
import { plainSpec } from '../support/domain-inputs.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-disks-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const sample = (name: string): string => join(directory, name)
const qemuImg = (...args: string[]): string =>
  execFileSync('qemu-img', args, { cwd: directory, encoding: 'utf8', stdio: 'pipe', timeout: 60_000 })
const info = (file: string, format: string): Record<string, unknown> =>
  JSON.parse(qemuImg('info', '--output=json', '-f', format, file)) as Record<string, unknown>

/** Image ids are names of files in our directory. */
function openDisks(state: string, toolLimits: ToolLimits = { addressSpaceMiB: 2048, cpuSeconds: 30 }) {
  const programs: string[] = []
  const disks = createFileDisks({
    host: 'here',
    directory: join(directory, state),
    images: {
      fetch: (id, target) => copyFile(sample(id), target),
      store: () => Promise.reject(new LodgeError('internal', 'not here')),
    },
    clock: systemClock,
    log: silentLogger(),
    toolLimits,
    runProgram: (program, args, options) => {
      programs.push(args.slice(args.indexOf('--') + 1).join(' '))
      return runProgram(program, args, options)
    },
  })
  return { disks, programs }
}

function specOf(
  file: string,
  diskFormat: DiskFormat,
  flavor: Partial<ServerSpec['flavor']> = {},
): ServerSpec {
  const bytes = readFileSync(sample(file))
  const sha512 = createHash('sha512').update(bytes).digest('hex')
  return {
    ...plainSpec,
    id: randomUUID(),
    flavor: { ...plainSpec.flavor, rootGiB: 0, ...flavor },
    image: { ...plainSpec.image, id: file, diskFormat, sizeBytes: bytes.length, sha512 },
  }
}

const pattern = Buffer.alloc(1 << 20, 'lodge disk pattern ')
writeFileSync(sample('plain.raw'), pattern)
truncateSync(sample('plain.raw'), 8 << 20)

testDisks('file disks', () => ({
  disks: openDisks('suite').disks,
  spec: specOf('plain.raw', 'raw'),
}))

const convertible: [DiskFormat, string, string[]][] = [
  ['raw', 'raw', []],
  ['qcow2', 'qcow2', []],
  ['qcow2', 'qcow2', ['-o', 'compat=0.10']],
  ['qcow2', 'qcow2', ['-c', '-o', 'compression_type=zstd,cluster_size=2M,extended_l2=on']],
  ['vmdk', 'vmdk', ['-o', 'subformat=streamOptimized']],
  ['vmdk', 'vmdk', ['-o', 'subformat=monolithicSparse']],
  ['vhd', 'vpc', []],
  ['vhd', 'vpc', ['-o', 'subformat=fixed']],
  ['vhdx', 'vhdx', []],
  ['vdi', 'vdi', []],
]
for (const [index, [declared, format, options]] of convertible.entries())
  test(`an honest ${declared} ${options.at(-1) ?? ''} becomes a disk with the same content`, async () => {
    const name = `honest-${index}`
    qemuImg('convert', '-f', 'raw', '-O', format, ...options, 'plain.raw', name)
    const { disks } = openDisks('honest')
    const spec = specOf(name, declared)
    await disks.prepare(spec)
    const target = disks.stagingPath(`${name}.raw`)
    await disks.exportRoot(spec.id, target, 'raw')
    const content = readFileSync(target)
    // Formats that count in cylinders round up.
    assert.ok(content.length >= 8 << 20)
    assert.ok(content.subarray(0, 1 << 20).equals(pattern))
    assert.ok(content.subarray(1 << 20).every((byte) => byte === 0))
  })

test('a warm spawn starts one program; disks have the modes, sizes and bases that were asked for', async () => {
  const { disks, programs } = openDisks('warm')
  await disks.prepare(specOf('plain.raw', 'raw'))
  programs.length = 0
  const spec = specOf('plain.raw', 'raw', { rootGiB: 2 })
  const {
    disks: [root],
  } = await disks.prepare(spec)
  assert.equal(programs.length, 1)
  assert.match(programs[0]!, /^qemu-img create -q -f qcow2 -b \S+ -F raw/)
  assert.equal(statSync(root!.file).mode & 0o777, 0o600)
  assert.equal(statSync(join(root!.file, '..')).mode & 0o777, 0o711)
  const seen = info(root!.file, 'qcow2')
  assert.equal(seen['virtual-size'], 2 * 2 ** 30)
  assert.equal(seen['backing-filename-format'], 'raw')
  assert.equal(seen['full-backing-filename'], root!.backing!.file)
  assert.deepEqual(readdirSync(join(root!.file, '..')).sort(), ['disk', 'disk.info', 'owner'])
})

test('swap and ephemeral disks are ready to be used', async () => {
  const { disks } = openDisks('extra')
  const spec = specOf('plain.raw', 'raw', { ephemeralGiB: 1, swapMiB: 64 })
  const {
    disks: [, ephemeral, swap],
  } = await disks.prepare(spec)
  const typeOf = (file: string): string =>
    execFileSync('blkid', ['-p', '-o', 'value', '-s', 'TYPE', file], { encoding: 'utf8' }).trim()
  assert.equal(typeOf(ephemeral!.file), 'ext4')
  assert.equal(typeOf(swap!.file), 'swap')
  assert.deepEqual([statSync(ephemeral!.file).size, statSync(swap!.file).size], [2 ** 30, 64 * 2 ** 20])
})

test('a prepare that was cut off is done anew; disks that a guest may have used are not', async () => {
  const { disks } = openDisks('again')
  const spec = specOf('plain.raw', 'raw')
  const {
    disks: [root],
  } = await disks.prepare(spec)
  const record = join(root!.file, '../disk.info')
  rmSync(record)
  writeFileSync(`${root!.file}.part`, 'half')
  writeFileSync(root!.file, 'torn')
  assert.equal(await disks.describe(spec.id), undefined)
  assert.deepEqual(await disks.list(), [spec.id])
  await disks.prepare(spec)
  assert.equal(info(root!.file, 'qcow2')['virtual-size'], 8 << 20)
  rmSync(root!.file)
  await assert.rejects(disks.prepare(spec), isError('conflict', /has lost disks on this host: disk/))
  assert.equal(await disks.describe(spec.id), undefined)
})

test('OSSA-2016-001: a guest that writes a qcow2 header into its disk changes nothing', async () => {
  const { disks } = openDisks('guest')
  const spec = specOf('plain.raw', 'raw', { ephemeralGiB: 1 })
  const { disks: prepared } = await disks.prepare(spec)
  writeFileSync(sample('secret'), 'host secret')
  qemuImg('create', '-q', '-f', 'qcow2', '-b', sample('secret'), '-F', 'raw', 'evil.qcow2', '1M')
  const evil = readFileSync(sample('evil.qcow2'))
  // As the guest would: through the disk.
  execFileSync('qemu-io', [
    '-f',
    'qcow2',
    '-c',
    `write -s ${sample('evil.qcow2')} 0 ${evil.length}`,
    prepared[0]!.file,
  ])
  assert.deepEqual(await disks.describe(spec.id), { disks: prepared })
  const target = disks.stagingPath('guest.raw')
  await disks.exportRoot(spec.id, target, 'raw')
  const content = readFileSync(target)
  assert.ok(content.subarray(0, evil.length).equals(evil))
  assert.ok(!content.includes('host secret'))
})

test('ids that are none never become a path', async () => {
  const { disks } = openDisks('paths')
  for (const id of ['../images', '', 'a/b', plainSpec.id.toUpperCase()]) {
    await assert.rejects(disks.describe(id), isError('badRequest', /not the UUID/))
    await assert.rejects(disks.remove(id), isError('badRequest', /not the UUID/))
  }
  for (const name of ['../x', 'a/b', '', '.x', 'a'.repeat(300)])
    assert.throws(() => disks.stagingPath(name), isError('internal', /no name/))
})

const crafted: [string, DiskFormat, () => void, RegExp][] = [
  [
    'backing',
    'qcow2',
    () => qemuImg('create', '-q', '-f', 'qcow2', '-b', '/etc/passwd', '-F', 'raw', 'backing'),
    /backing file/,
  ],
  [
    'json-backing',
    'qcow2',
    () =>
      qemuImg(
        'create',
        '-q',
        '-f',
        'qcow2',
        '-u',
        '-F',
        'raw',
        '-b',
        'json:{"driver":"file","filename":"/etc/passwd"}',
        'json-backing',
        '1M',
      ),
    /backing file/,
  ],
  [
    'data-file',
    'qcow2',
    () => qemuImg('create', '-q', '-f', 'qcow2', '-o', 'data_file=elsewhere.raw', 'data-file', '1M'),
    /external/,
  ],
  [
    'data-file-as-raw',
    'raw',
    () => qemuImg('create', '-q', '-f', 'qcow2', '-o', 'data_file=elsewhere.raw', 'data-file-as-raw', '1M'),
    /content is qcow2/,
  ],
  [
    'qcow2-as-raw',
    'raw',
    () => qemuImg('create', '-q', '-f', 'qcow2', 'qcow2-as-raw', '1M'),
    /content is qcow2/,
  ],
  ['raw-as-qcow2', 'qcow2', () => writeFileSync(sample('raw-as-qcow2'), pattern), /content is raw/],
  [
    'flat',
    'vmdk',
    () => qemuImg('create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicFlat', 'flat', '1M'),
    /several files/,
  ],
  [
    'passwd',
    'vmdk',
    () =>
      writeFileSync(
        sample('passwd'),
        '# Disk DescriptorFile\nversion=1\nCID=1\nparentCID=ffffffff\ncreateType="monolithicFlat"\nRW 2 FLAT "/etc/passwd" 0\n',
      ),
    /several files/,
  ],
  [
    'delta',
    'vmdk',
    () => {
      qemuImg('create', '-q', '-f', 'vmdk', 'delta-base', '1M')
      qemuImg('create', '-q', '-f', 'vmdk', '-b', 'delta-base', '-F', 'vmdk', 'delta')
    },
    /parent/,
  ],
  [
    'snapshots',
    'qcow2',
    () => {
      qemuImg('create', '-q', '-f', 'qcow2', 'snapshots', '1M')
      qemuImg('snapshot', '-c', 'one', 'snapshots')
    },
    /internal snapshots/,
  ],
  // Written by hand: qemu-img times the processor to choose LUKS's rounds, and fails at it on a busy machine.
  [
    'luks',
    'raw',
    () => writeFileSync(sample('luks'), Buffer.concat([Buffer.from('LUKS\u00ba\u00be', 'latin1'), pattern])),
    /content is luks/,
  ],
  [
    'encrypted',
    'qcow2',
    () => {
      qemuImg('create', '-q', '-f', 'qcow2', 'encrypted', '1M')
      const file = readFileSync(sample('encrypted'))
      file.writeUInt32BE(1, 32)
      writeFileSync(sample('encrypted'), file)
    },
    /is encrypted/,
  ],
  ['qed', 'qcow2', () => qemuImg('create', '-q', '-f', 'qed', 'qed', '1M'), /content is qed/],
  [
    'parallels',
    'ploop',
    () => qemuImg('create', '-q', '-f', 'parallels', 'parallels', '1M'),
    /content is parallels/,
  ],
  [
    'differencing',
    'vhd',
    () => {
      qemuImg('create', '-q', '-f', 'vpc', 'differencing', '1M')
      const file = readFileSync(sample('differencing'))
      for (const at of [0, file.length - 512]) {
        file.writeUInt32BE(4, at + 60)
        // The checksum is a complement: one more in the sum is one less in it.
        file.writeUInt32BE(file.readUInt32BE(at + 64) - 1, at + 64)
      }
      writeFileSync(sample('differencing'), file)
    },
    /builds on another disk/,
  ],
  [
    'eight-eib',
    'qcow2',
    () => {
      qemuImg('create', '-q', '-f', 'qcow2', 'eight-eib', '1M')
      const file = readFileSync(sample('eight-eib'))
      file.writeBigUInt64BE(1n << 63n, 24)
      writeFileSync(sample('eight-eib'), file)
    },
    /virtual size of 8589934592 GiB/,
  ],
  [
    'too-large',
    'qcow2',
    () => qemuImg('create', '-q', '-f', 'qcow2', 'too-large', '2G'),
    /root disk is too small/,
  ],
  [
    'too-large-to-convert',
    'vmdk',
    () => qemuImg('create', '-q', '-f', 'vmdk', 'too-large-to-convert', '2G'),
    /root disk is too small/,
  ],
]
for (const [name, declared, craft, message] of crafted)
  test(`hostile image: ${name} declared ${declared} is refused and leaves nothing`, async () => {
    craft()
    const state = `hostile-${name}`
    const { disks, programs } = openDisks(state)
    const spec = specOf(name, declared, { rootGiB: 1 })
    await assert.rejects(disks.prepare(spec), isError('badRequest', message))
    // What is refused for its size alone is a sound image; all others were never opened, nor kept.
    assert.deepEqual(programs, [])
    if (name !== 'too-large') assert.deepEqual(readdirSync(join(directory, state, 'images')), [])
    assert.deepEqual(await disks.list(), [])
  })

test('OSSA-2016-012: a tool that takes too much memory or time is ended, and says which', async () => {
  qemuImg('convert', '-f', 'raw', '-O', 'vmdk', 'plain.raw', 'limits.vmdk')
  const small = openDisks('limits', { addressSpaceMiB: 16, cpuSeconds: 30 })
  await assert.rejects(
    small.disks.prepare(specOf('limits.vmdk', 'vmdk')),
    isError('badRequest', /could not be converted\. qemu-img needed more than 16 MiB/),
  )
  assert.deepEqual(readdirSync(join(directory, 'limits/images')), [])

  const spinning = createImageTool({ addressSpaceMiB: 2048, cpuSeconds: 1 }, (_program, args, options) =>
    runProgram(
      'prlimit',
      [...args.slice(0, args.indexOf('--') + 1), 'sh', '-c', 'while :; do :; done'],
      options,
    ),
  )
  await assert.rejects(
    spinning.createOverlay('/nowhere', { file: '/nowhere', format: 'raw' }, 1),
    isError('internal', /more than 1 s of processor time \(agent\.imageTool\.cpuSeconds\)/),
  )
})

test('a start clears what an earlier process left half-done, and keeps the rest', async () => {
  const first: Disks = openDisks('restart').disks
  const spec = specOf('plain.raw', 'raw')
  const prepared = await first.prepare(spec)
  writeFileSync(first.stagingPath('half-exported'), 'x')
  writeFileSync(join(directory, 'restart/images', 'abc.part'), 'x')
  const { disks, programs } = openDisks('restart')
  assert.deepEqual(await disks.describe(spec.id), prepared)
  assert.deepEqual(readdirSync(join(directory, 'restart/staging')), [])
  assert.ok(!readdirSync(join(directory, 'restart/images')).includes('abc.part'))
  await disks.prepare(spec)
  assert.deepEqual(programs, [])
})

test('images that no disk stands on leave the cache; with a record that cannot be read none does', async () => {
  const { disks } = openDisks('sweep')
  const [kept, gone] = [specOf('plain.raw', 'raw'), specOf('honest-0', 'raw')]
  writeFileSync(sample('other.raw'), Buffer.alloc(1 << 20, 'other'))
  const other = specOf('other.raw', 'raw')
  for (const spec of [kept, gone, other]) await disks.prepare(spec)
  await disks.remove(gone.id)
  await disks.remove(other.id)
  const bases = (): string[] =>
    readdirSync(join(directory, 'sweep/images')).filter((name) => !name.includes('.'))
  assert.equal(bases().length, 2)
  const record = join(directory, 'sweep/servers', kept.id, 'disk.info')
  const text = readFileSync(record)
  writeFileSync(record, '{')
  await assert.rejects(disks.removeUnusedImages(-1000), isError('internal', /disk record/))
  assert.equal(bases().length, 2)
  writeFileSync(record, text)
  await disks.removeUnusedImages(-1000)
  assert.deepEqual(bases(), [kept.image.sha512.slice(0, 64)])
  assert.ok(await disks.describe(kept.id))
  await disks.prepare({ ...other, id: randomUUID() })
})

test('there is room for copies as long as the reserve is free', async () => {
  let free = 10 * 2 ** 20
  const disks = createFileDisks({
    host: 'here',
    directory: join(directory, 'room'),
    images: { fetch: async () => {}, store: async () => ({ sizeBytes: 0 }) },
    clock: systemClock,
    log: silentLogger(),
    toolLimits: { addressSpaceMiB: 64, cpuSeconds: 1 },
    reserveMiB: 10,
    freeBytes: async () => free,
  })
  await disks.assertSpareRoom()
  free -= 1
  await assert.rejects(disks.assertSpareRoom(), isError('tooLarge', /no room left.*10 MiB/))
})

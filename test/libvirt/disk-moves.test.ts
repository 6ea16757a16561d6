import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { systemClock } from '../../src/base/clock.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { ServerSpec } from '../../src/model/server-spec.ts'
import { plainSpec } from '../support/domain-inputs.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-moves-'))
after(() => rmSync(directory, { recursive: true, force: true }))

const image = join(directory, 'image.raw')
writeFileSync(image, Buffer.alloc(1 << 20, 'what the image holds '))
const { signal } = new AbortController()
const run = (program: string, ...args: string[]): string =>
  execFileSync(program, args, { encoding: 'utf8', stdio: 'pipe', timeout: 60_000 })

function openDisks(name: string, hasImage = true): Disks {
  return createFileDisks({
    host: 'here',
    directory: join(directory, name),
    images: {
      async fetch(_id, target) {
        if (!hasImage) throw new LodgeError('notFound', 'the image is gone')
        copyFileSync(image, target)
      },
      store: () => Promise.reject(new LodgeError('internal', 'not here')),
    },
    clock: systemClock,
    log: silentLogger(),
    toolLimits: { addressSpaceMiB: 2048, cpuSeconds: 30 },
  })
}

function newSpec(rootGiB: number): ServerSpec {
  const bytes = readFileSync(image)
  return {
    ...plainSpec,
    id: randomUUID(),
    flavor: { ...plainSpec.flavor, rootGiB, ephemeralGiB: 0, swapMiB: 0 },
    image: {
      ...plainSpec.image,
      id: 'image',
      diskFormat: 'raw',
      sizeBytes: bytes.length,
      sha512: createHash('sha512').update(bytes).digest('hex'),
    },
  }
}

const larger = (spec: ServerSpec, rootGiB: number): ServerSpec => ({
  ...spec,
  flavor: { ...spec.flavor, rootGiB, ephemeralGiB: 1, swapMiB: 16 },
})

/** What a guest would have written, far behind the image's end. */
async function write(disks: Disks, spec: ServerSpec): Promise<void> {
  const root = (await disks.describe(spec.id))!.disks[0]!
  run('qemu-io', '-f', 'qcow2', '-c', 'write -P 0x5a 100M 1M', root.file)
}

async function assertContent(disks: Disks, spec: ServerSpec): Promise<void> {
  const root = (await disks.describe(spec.id))!.disks[0]!
  assert.equal(root.sizeBytes, spec.flavor.rootGiB * 2 ** 30)
  const told = JSON.parse(run('qemu-img', 'info', '--output=json', '-f', 'qcow2', root.file))
  assert.equal(told['virtual-size'], root.sizeBytes)
  assert.equal(told['backing-filename'] ?? null, root.backing?.file ?? null)
  run('qemu-img', 'check', '-q', '-f', 'qcow2', root.file)
  assert.doesNotMatch(run('qemu-io', '-r', '-f', 'qcow2', '-c', 'read -P 0x5a 100M 1M', root.file), /failed/)
  assert.match(run('qemu-io', '-r', '-f', 'qcow2', '-c', 'read -v 0 32', root.file), /what\.the\.image/)
}

async function move(from: Disks, to: Disks, spec: ServerSpec, migrationId: string): Promise<void> {
  const { flat } = await to.expect(spec, migrationId, signal)
  await from.putAside(spec.id)
  for (const { name, sizeBytes, open } of await from.outgoing(spec.id, flat, signal))
    await to.receive({ serverId: spec.id, name, sizeBytes }, open())
  await to.adopt(spec, migrationId, signal)
}

test('a disk goes to another host, grows, and stands on the image there', async () => {
  const [a, b] = [openDisks('a'), openDisks('b')]
  const before = newSpec(1)
  const spec = larger(before, 2)
  await a.prepare(before)
  await write(a, before)
  await move(a, b, spec, 'm1')
  await assertContent(b, spec)
  assert.deepEqual(
    (await b.describe(spec.id))!.disks.map(({ role }) => role),
    ['root', 'ephemeral', 'swap'],
  )
  assert.equal(await a.describe(spec.id), undefined, 'nothing can start on it')
  await b.adopt(spec, 'm1', signal)
  await assertContent(b, spec)

  await b.discard(spec.id, 'another')
  await assertContent(b, spec)
  await b.discard(spec.id, 'm1')
  assert.deepEqual(await b.list(), [])
  assert.equal(await a.putBack(spec.id), true)
  await assertContent(a, before)
})

test('a disk whose image is gone comes as one that stands alone', async () => {
  const [a, b] = [openDisks('c'), openDisks('d', false)]
  const before = newSpec(1)
  await a.prepare(before)
  await write(a, before)
  await move(a, b, larger(before, 3), 'm2')
  assert.equal((await b.describe(before.id))!.disks[0]!.backing, null)
  await assertContent(b, larger(before, 3))
})

test('a disk never shrinks, and one that did not come whole is no disk', async () => {
  const [a, b] = [openDisks('e'), openDisks('f')]
  const before = newSpec(2)
  await a.prepare(before)
  await assert.rejects(move(a, b, larger(before, 1), 'm3'), /resize disk down/)
  assert.equal(await b.describe(before.id), undefined)
  const part = { serverId: before.id, name: 'disk', sizeBytes: 10 }
  await assert.rejects(
    b.receive(
      part,
      (async function* () {
        yield Buffer.from('short')
      })(),
    ),
    /Of 10 bytes/,
  )
  await assert.rejects(b.receive({ ...part, name: '../disk' }, (async function* () {})()), /no disk of such/)
})

test('a disk grows on its own host, and the former one can be had back', async () => {
  const a = openDisks('g')
  const before = newSpec(1)
  await a.prepare(before)
  await write(a, before)
  await move(a, a, larger(before, 2), 'm4')
  await assertContent(a, larger(before, 2))
  await a.discard(before.id, 'm4')
  assert.equal(await a.putBack(before.id), true)
  await assertContent(a, before)
})

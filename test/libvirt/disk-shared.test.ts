/** Two hosts' disks in one directory, with real image tools: what one does leaves the other's alone. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { mkdirSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, beforeEach, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { createFileDisks } from '../../src/agent/disk/file-disks.ts'
import { systemClock } from '../../src/base/clock.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import type { ServerSpec } from '../../src/model/server-spec.ts'
import { isError } from '../support/disks-suite.ts'
import { plainSpec } from '../support/domain-inputs.ts'

const root = mkdtempSync(join(tmpdir(), 'lodge-shared-'))
after(() => rmSync(root, { recursive: true, force: true }))
const image = join(root, 'image.raw')
writeFileSync(image, Buffer.alloc(1 << 20, 'what the image holds '))
const { signal } = new AbortController()

let directory: string
let fetches: number
let a: Disks
let b: Disks
let number = 0
beforeEach(() => {
  directory = join(root, String(++number))
  fetches = 0
  a = open('a')
  b = open('b')
})

function open(host: string): Disks {
  return createFileDisks({
    host,
    shared: true,
    directory,
    images: {
      async fetch(_id, target) {
        fetches += 1
        copyFileSync(image, target)
        // So that both are at it at once.
        await delay(50)
      },
      store: () => Promise.reject(new LodgeError('internal', 'not here')),
    },
    clock: systemClock,
    log: silentLogger(),
    toolLimits: { addressSpaceMiB: 2048, cpuSeconds: 30 },
  })
}

function newSpec(rootGiB = 1): ServerSpec {
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

const inServers = (): string[] => readdirSync(join(directory, 'servers')).sort()
const inImages = (): string[] => readdirSync(join(directory, 'images'))
const inodeOf = async (disks: Disks, { id }: ServerSpec): Promise<number> =>
  statSync((await disks.describe(id))!.disks[0]!.file).ino

test("a host's start leaves alone what another has under way", async () => {
  writeFileSync(a.stagingPath('snapshot'), 'half')
  writeFileSync(b.stagingPath('snapshot'), 'half')
  const part = `${'a'.repeat(64)}.`
  const [tag] = readdirSync(join(directory, 'staging')).filter((name) => name.startsWith('a-'))
  writeFileSync(join(directory, 'images', `${part}${tag}.1.part`), 'half')
  const next = open('b')
  assert.ok(existsSync(a.stagingPath('snapshot')))
  assert.ok(!existsSync(next.stagingPath('snapshot')))
  assert.equal(inImages().length, 1)
  open('a')
  assert.deepEqual([existsSync(a.stagingPath('snapshot')), inImages()], [false, []])
})

test('two hosts that fetch one image at once come to one base, which neither replaces', async () => {
  const [one, two] = [newSpec(), newSpec()]
  const [first, second] = await Promise.all([a.prepare(one), b.prepare(two)])
  assert.equal(first.disks[0]!.backing?.file, second.disks[0]!.backing?.file)
  assert.equal(fetches, 2)
  assert.equal(inImages().length, 2, 'the base and its record')
  const { ino } = statSync(first.disks[0]!.backing!.file)
  const third = await open('c').prepare(newSpec())
  assert.deepEqual([fetches, statSync(third.disks[0]!.backing!.file).ino], [2, ino])
})

test("a base that another host's server stands on is not swept", async () => {
  const spec = newSpec()
  const { disks } = await a.prepare(spec)
  const base = disks[0]!.backing!.file
  utimesSync(`${base}.json`, 1, 1)
  await b.removeUnusedImages(60_000)
  assert.ok(existsSync(base))
  await a.remove(spec.id)
  await b.removeUnusedImages(60_000)
  assert.deepEqual(inImages(), [])
})

test("another host's disks are not listed, described, made anew or removed", async () => {
  const spec = newSpec()
  await a.prepare(spec)
  const inode = await inodeOf(a, spec)
  assert.deepEqual([await b.list(), await b.describe(spec.id)], [[], undefined])
  await assert.rejects(b.prepare(spec), isError('conflict', /those of host a/))
  await b.remove(spec.id)
  await b.discard(spec.id, randomUUID())
  assert.equal(await b.putBack(spec.id), false)
  assert.equal(await inodeOf(a, spec), inode)
  assert.deepEqual(
    [await a.list(), await b.lost([spec.id]), await a.lost([spec.id])],
    [[spec.id], [spec.id], []],
  )
})

test("a directory that nobody has marked is nobody's", async () => {
  const spec = newSpec()
  mkdirSync(join(directory, 'servers', spec.id))
  writeFileSync(join(directory, 'servers', spec.id, 'disk'), 'whose?')
  await a.remove(spec.id)
  assert.deepEqual([inServers(), await a.list()], [[spec.id], []])
  await assert.rejects(a.prepare(spec), isError('conflict', /Nothing says whose/))
})

test('an evacuation takes the disks over, and gives them back when it fails', async () => {
  const spec = newSpec()
  await a.prepare(spec)
  const inode = await inodeOf(a, spec)
  await assert.rejects(b.prepare(spec, signal, 'c'), isError('conflict', /those of host a/))
  await b.prepare(spec, signal, 'a')
  assert.equal(await inodeOf(b, spec), inode)
  await a.remove(spec.id)
  assert.equal(await inodeOf(b, spec), inode)
  await b.remove(spec.id, 'a')
  assert.equal(await inodeOf(a, spec), inode)
  // One whose taker could not be told is taken over from it all the same.
  await b.prepare(spec, signal, 'a')
  const c = open('c')
  await c.prepare(spec, signal, 'a')
  assert.equal(await inodeOf(c, spec), inode)
  await c.remove(spec.id)
  assert.deepEqual(inServers(), [])
})

test('a guest that comes alive takes the disks with it', async () => {
  const spec = newSpec()
  const there = await a.prepare(spec)
  const path = await b.leaveProbe('migration-1')
  assert.deepEqual(
    [await a.seesProbe('migration-1', path), await a.seesProbe('migration-2', path)],
    [true, false],
  )
  await b.removeProbe('migration-1')
  assert.equal(await a.seesProbe('migration-1', path), false)
  assert.deepEqual(await b.expectGuest(spec), there)
  assert.equal((await a.describe(spec.id))?.disks.length, 1, 'not before the guest is there')
  await b.take(spec.id)
  assert.deepEqual([await a.describe(spec.id), await b.describe(spec.id)], [undefined, there])
})

test('a guest that has left gives the disks to where it is, should that host not say so', async () => {
  const spec = newSpec()
  const there = await a.prepare(spec)
  await b.give(spec.id, 'b')
  assert.deepEqual(await a.describe(spec.id), there, 'they are not its to give')
  await a.give(spec.id, 'b')
  assert.deepEqual([await a.describe(spec.id), await b.describe(spec.id)], [undefined, there])
})

test('a cold migration hands the disks over as they are, and takes them back', async () => {
  const spec = newSpec()
  await a.prepare(spec)
  const inode = await inodeOf(a, spec)
  const migration = randomUUID()
  assert.deepEqual(await b.expect(spec, migration, signal), { flat: false, shared: 'keep' })
  assert.deepEqual(
    [await a.seesArrival(spec.id, migration), await a.seesArrival(spec.id, randomUUID())],
    [true, false],
  )
  await a.handOver(spec.id, 'b', migration)
  await a.handOver(spec.id, 'b', migration)
  await b.adopt(spec, migration, signal)
  await b.adopt(spec, migration, signal)
  assert.equal(await inodeOf(b, spec), inode)
  assert.deepEqual(inServers(), [spec.id])
  assert.ok(await b.cameWith(spec.id, migration))
  await b.discard(spec.id, migration)
  assert.equal(await inodeOf(a, spec), inode)

  await a.handOver(spec.id, 'b', migration)
  assert.ok(await a.putBack(spec.id), 'also where the other cannot be told')
  assert.equal(await inodeOf(a, spec), inode)
})

test('a resize copies the disks to where the other host expects them, and keeps the old ones', async () => {
  const spec = newSpec()
  await a.prepare(spec)
  const larger = { ...spec, flavor: { ...spec.flavor, rootGiB: 2 } }
  const migration = randomUUID()
  assert.deepEqual(await b.expect(larger, migration, signal), { flat: false, shared: 'copy' })
  await a.putAside(spec.id)
  await a.copyAside(spec.id, false, signal)
  const { disks } = await b.adopt(larger, migration, signal)
  assert.equal(disks[0]!.sizeBytes, 2 * 2 ** 30)
  execFileSync('qemu-img', ['check', '-q', '-f', 'qcow2', disks[0]!.file])
  await b.forgetAside(spec.id)
  assert.deepEqual(inServers(), [spec.id, `${spec.id}_resize`], "they are the other host's")
  await b.discard(spec.id, migration)
  assert.ok(await a.putBack(spec.id))
  assert.equal((await a.describe(spec.id))!.disks[0]!.sizeBytes, 2 ** 30)
  assert.deepEqual(inServers(), [spec.id])
})

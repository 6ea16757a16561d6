import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { consoleText, readConsoleLog } from '../../../src/agent/disk/console-log.ts'
import { planDisks } from '../../../src/agent/disk/disk-plan.ts'
import { createImageTool, type RunProgram } from '../../../src/agent/disk/image-tool.ts'
import { createSharedJobs } from '../../../src/agent/disk/shared-jobs.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import type { ServerSpec } from '../../../src/model/server-spec.ts'
import { plainSpec } from '../../support/domain-inputs.ts'

const base = { file: '/images/base', format: 'raw', virtualSizeBytes: 2 ** 20 } as const

function specWith(
  flavor: Partial<ServerSpec['flavor']>,
  properties: Record<string, string> = {},
): ServerSpec {
  return {
    ...plainSpec,
    flavor: { ...plainSpec.flavor, ...flavor },
    image: { ...plainSpec.image, properties },
  }
}

test('disks come as root, ephemeral, swap, with the sizes of the flavor', () => {
  const disks = planDisks(specWith({ rootGiB: 2, ephemeralGiB: 3, swapMiB: 4 }), base)
  assert.deepEqual(
    disks.map(({ name, role, format, sizeBytes, target, backing }) => [
      name,
      role,
      format,
      sizeBytes,
      target,
      backing?.format,
    ]),
    [
      ['disk', 'root', 'qcow2', 2 * 2 ** 30, 'vda', 'raw'],
      ['disk.eph0', 'ephemeral', 'raw', 3 * 2 ** 30, 'vdb', undefined],
      ['disk.swap', 'swap', 'raw', 4 * 2 ** 20, 'vdc', undefined],
    ],
  )
})

test('a root size of zero is the size of the image, in whole sectors', () => {
  const [root] = planDisks(specWith({ rootGiB: 0 }), { ...base, virtualSizeBytes: 1000 })
  assert.equal(root!.sizeBytes, 1024)
})

test('the bus is the image’s, and names the disks', () => {
  const [, swap] = planDisks(specWith({ swapMiB: 1 }, { hw_disk_bus: 'SCSI' }), base)
  assert.deepEqual([swap!.bus, swap!.target], ['scsi', 'sdb'])
})

test('refused: an image larger than the root disk, a bus that is not served', () => {
  const refused = (act: () => unknown, message: RegExp): void =>
    assert.throws(
      act,
      (error) => error instanceof LodgeError && error.kind === 'badRequest' && message.test(error.message),
    )
  refused(
    () => planDisks(specWith({ rootGiB: 1 }), { ...base, virtualSizeBytes: 2 ** 30 + 1 }),
    /would have 1073741824 bytes, and the image needs 1073741825/,
  )
  refused(() => planDisks(specWith({}, { hw_disk_bus: '__proto__' }), base), /hw_disk_bus may be virtio/)
})

test('console: the last lines, of the last 100 KiB, without control characters', () => {
  const text = (bytes: string | Buffer, length: number | null): string =>
    consoleText(Buffer.from(bytes), length)
  assert.equal(text('one\r\ntwo\u001b[1m\u0000\tx\u007f\nthree\n', null), 'one\ntwo[1m\tx\nthree\n')
  assert.equal(text('one\ntwo\nthree\n', 2), 'two\nthree')
  assert.equal(text('one\ntwo\nthree', 2), 'two\nthree')
  assert.equal(text('one\n', 10), 'one')
  assert.equal(text('one\n', 0), '')
  assert.equal(text('', null), '')
  assert.equal(text('漢'.repeat(40_000), null).length, Math.floor((100 * 1024) / 3))
})

test('OSSA-2013-026: a console of one endless line is cut to 100 KiB', () => {
  assert.equal(consoleText(Buffer.alloc(5_000_000, 'x'), 1).length, 100 * 1024)
})

test('the console goes over rotated files, newest last, and a missing file is an empty console', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-console-'))
  try {
    const path = join(directory, 'console.log')
    assert.equal(await readConsoleLog(path, null), '')
    writeFileSync(path, 'c\n')
    writeFileSync(`${path}.0`, `b${'x'.repeat(50 * 1024)}\n`)
    writeFileSync(`${path}.1`, `a\n${'y'.repeat(60 * 1024)}\n`)
    const text = await readConsoleLog(path, null)
    assert.equal(text.length, 100 * 1024)
    assert.match(text, /^y+\nbx+\nc\n$/)
    rmSync(path)
    assert.match(await readConsoleLog(path, null), /x\n$/)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test('shared work: done once, failures for all who joined, then forgotten', async () => {
  const jobs = createSharedJobs<number>()
  const gate = Promise.withResolvers<number>()
  let runs = 0
  const work = (): Promise<number> => {
    runs++
    return gate.promise
  }
  const both = [jobs.join('a', work), jobs.join('a', work)]
  gate.reject(new LodgeError('notFound', 'gone'))
  for (const outcome of await Promise.allSettled(both)) assert.equal(outcome.status, 'rejected')
  assert.equal(runs, 1)
  assert.equal(await jobs.join('a', async () => 7), 7)
})

test('shared work: who aborts leaves alone; the last one to leave aborts the work', async () => {
  const jobs = createSharedJobs<number>()
  const [first, second] = [new AbortController(), new AbortController()]
  let signal: AbortSignal | undefined
  const work = (own: AbortSignal): Promise<number> => {
    signal = own
    return new Promise((_resolve, reject) => own.addEventListener('abort', () => reject(own.reason as Error)))
  }
  const [a, b] = [jobs.join('k', work, first.signal), jobs.join('k', work, second.signal)]
  first.abort(new LodgeError('timeout', 'first left'))
  await assert.rejects(a, /first left/)
  assert.equal(signal?.aborted, false)
  second.abort(new LodgeError('timeout', 'second left'))
  await assert.rejects(b, /second left/)
  assert.equal(signal?.aborted, true)
  await assert.rejects(
    jobs.join('k', async () => 1, AbortSignal.abort(new LodgeError('timeout', 'late'))),
    /late/,
  )
  assert.equal(await jobs.join('k', async () => 2), 2)
})

const limits = { addressSpaceMiB: 2048, cpuSeconds: 30 }

test('tools run under limits, as lists of arguments, with every format named', async () => {
  const calls: string[][] = []
  const run: RunProgram = async (program, args) => void calls.push([program, ...args])
  const tool = createImageTool(limits, run)
  await tool.createOverlay('/s/disk', { file: '/i/base', format: 'raw' }, 1024)
  await tool.convert({ file: '/s/disk', format: 'qcow2' }, { file: '/t/x', format: 'raw' }, { trusted: true })
  await tool.convert(
    { file: '/s/disk', format: 'vpc' },
    { file: '/t/x', format: 'qcow2' },
    { trusted: false },
  )
  assert.deepEqual(
    calls.map((call) => call.join(' ')),
    [
      'prlimit --as=2147483648 --core=0 --cpu=30 -- qemu-img create -q -f qcow2 -b /i/base -F raw -- /s/disk 1024',
      'prlimit --as=2147483648 --core=0 -- qemu-img convert -q -f qcow2 -O raw -- /s/disk /t/x',
      'prlimit --as=2147483648 --core=0 --cpu=30 -- qemu-img convert -q -f vpc -O qcow2 -- /s/disk /t/x',
    ],
  )
})

const failures: [string, object, RegExp][] = [
  ['processor time', { code: null, signal: 'SIGXCPU', stderr: '' }, /30 s of processor time/],
  ['memory', { code: 1, stderr: 'qemu-img: Cannot allocate memory' }, /more than 2048 MiB/],
  ['wall time', { killed: true, signal: 'SIGKILL', stderr: '' }, /took too long/],
  ['no prlimit', { code: 'ENOENT', stderr: '' }, /prlimit \(util-linux\) is not installed/],
  [
    'no qemu-img',
    { code: 127, stderr: 'prlimit: failed to execute qemu-img: No such file' },
    /qemu-img is not installed/,
  ],
  ['anything else', { code: 1, stderr: 'first\nlast words\n' }, /qemu-img failed: last words/],
]
for (const [name, failure, message] of failures)
  test(`a tool that fails says why: ${name}`, async () => {
    const tool = createImageTool(limits, () =>
      Promise.reject(Object.assign(new LodgeError('internal', 'x'), failure)),
    )
    await assert.rejects(
      tool.createOverlay('/a', { file: '/b', format: 'raw' }, 1),
      (error) => error instanceof LodgeError && error.kind === 'internal' && message.test(error.message),
    )
  })

test('a tool that was aborted fails with the reason of its signal', async () => {
  const abort = new AbortController()
  const tool = createImageTool(limits, async () => {
    abort.abort(new LodgeError('timeout', 'deadline'))
    throw new LodgeError('internal', 'killed')
  })
  await assert.rejects(tool.createOverlay('/a', { file: '/b', format: 'raw' }, 1, abort.signal), /deadline/)
})

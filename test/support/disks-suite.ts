import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { statSync } from 'node:fs'
import { test } from 'node:test'
import type { Disks } from '../../src/agent/disk/disks.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { checkImage } from '../../src/model/image-inspection/check-image.ts'
import type { ServerSpec } from '../../src/model/server-spec.ts'

/** What disks do, be they files or in memory. `spec` is of an image that the disks can get, and has no root size. */
export function testDisks(name: string, setUp: () => { disks: Disks; spec: ServerSpec }): void {
  const begin = (): { disks: Disks; spec: ServerSpec } => {
    const { disks, spec } = setUp()
    return { disks, spec: { ...spec, id: randomUUID() } }
  }

  test(`${name}: what was prepared is described, listed, and prepared again as it was`, async () => {
    const { disks, spec } = begin()
    const larger = { ...spec, flavor: { ...spec.flavor, ephemeralGiB: 1, swapMiB: 8 } }
    assert.equal(await disks.describe(spec.id), undefined)
    const prepared = await disks.prepare(larger)
    assert.deepEqual(
      prepared.disks.map(({ role, target }) => [role, target]),
      [
        ['root', 'vda'],
        ['ephemeral', 'vdb'],
        ['swap', 'vdc'],
      ],
    )
    assert.deepEqual(await disks.describe(spec.id), prepared)
    assert.deepEqual(await disks.prepare(larger), prepared)
    assert.ok((await disks.list()).includes(spec.id))
    await disks.remove(spec.id)
    assert.equal(await disks.describe(spec.id), undefined)
    assert.ok(!(await disks.list()).includes(spec.id))
    await disks.remove(spec.id)
  })

  for (const format of ['qcow2', 'raw'] as const)
    test(`${name}: an exported root disk is a sound ${format} image of its own`, async () => {
      const { disks, spec } = begin()
      const target = disks.stagingPath(`${spec.id}.${format}`)
      await assert.rejects(
        disks.exportRoot(spec.id, target, format),
        isError('notFound', /no disk of the server/),
      )
      const { disks: prepared } = await disks.prepare(spec)
      await disks.exportRoot(spec.id, target, format)
      assert.equal((await checkImage(target, format)).format, format)
      assert.equal(statSync(target).mode & 0o777, 0o600)
      await disks.exportRoot(spec.id, target, format, {
        source: { file: prepared[0]!.file, format: prepared[0]!.format },
      })
    })

  test(`${name}: a bus that is not served is refused and leaves nothing`, async () => {
    const { disks, spec } = begin()
    const image = { ...spec.image, properties: { hw_disk_bus: 'floppy' } }
    await assert.rejects(disks.prepare({ ...spec, image }), isError('badRequest', /hw_disk_bus/))
    assert.ok(!(await disks.list()).includes(spec.id))
  })

  test(`${name}: an aborted prepare ends with the signal's reason`, async () => {
    const { disks, spec } = begin()
    const signal = AbortSignal.abort(new LodgeError('timeout', 'deadline'))
    await assert.rejects(disks.prepare(spec, signal), /deadline/)
  })

  test(`${name}: capacity, and the console of a server that never was`, async () => {
    const { disks, spec } = begin()
    const { totalGiB, freeGiB } = await disks.capacity()
    assert.ok(Number.isInteger(totalGiB) && freeGiB <= totalGiB && freeGiB >= 0)
    assert.equal(await disks.readConsole(spec.id, null), '')
    assert.match(disks.consoleLogPath(spec.id), /console\.log$/)
  })
}

export const isError =
  (kind: string, message: RegExp) =>
  (error: unknown): boolean =>
    error instanceof LodgeError && error.kind === kind && message.test(error.message)

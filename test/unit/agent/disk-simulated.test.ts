import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createSimulatedDisks } from '../../../src/agent/disk/simulated-disks.ts'
import { plainSpec } from '../../support/domain-inputs.ts'
import { testDisks } from '../../support/disks-suite.ts'

const stagingDirectory = mkdtempSync(join(tmpdir(), 'lodge-simulated-'))
after(() => rmSync(stagingDirectory, { recursive: true, force: true }))

const spec = { ...plainSpec, flavor: { ...plainSpec.flavor, rootGiB: 0 } }

testDisks('simulated disks', () => ({ disks: createSimulatedDisks({ stagingDirectory }), spec }))

test('the simulated console is of a server with its name, and is cut like a real one', async () => {
  const disks = createSimulatedDisks()
  await disks.prepare({ ...plainSpec, name: 'web-\u001b1' })
  assert.match(await disks.readConsole(plainSpec.id, null), /simulated guest of the server web-1\n/)
  assert.equal(await disks.readConsole(plainSpec.id, 1), 'web-1 login: ')
})

test('the simulated disk fills up', async () => {
  const disks = createSimulatedDisks({ capacityGiB: 10 })
  await disks.prepare({ ...plainSpec, flavor: { ...plainSpec.flavor, rootGiB: 4 } })
  assert.deepEqual(await disks.capacity(), { totalGiB: 10, freeGiB: 6 })
})

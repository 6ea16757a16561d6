/** A process that has used libvirt ends like any other: the C library's threads must not fall over its end. */
import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'

let directory: string
let libvirtd: PrivateLibvirtd
before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-exit-'))
  libvirtd = await startPrivateLibvirtd({ dir: directory })
})
after(async () => {
  await libvirtd?.stop()
  rmSync(directory, { recursive: true, force: true })
})

const binding = JSON.stringify(join(import.meta.dirname, '../../src/libvirt/libvirt.ts'))

for (const [how, ending] of [
  ['after a close', 'await libvirt.close()'],
  ['with the connection open', 'process.exit()'],
] as const) {
  test(`twenty processes end with status 0, ${how}`, { timeout: 120_000 }, () => {
    const code = `
      import { openLibvirt } from ${binding}
      const libvirt = await openLibvirt({ uri: process.argv[1] })
      await libvirt.call('connectListAllDomains', {})
      ${ending}`
    for (let run = 0; run < 20; run++) {
      const words = ['--input-type=module-typescript', '--eval', code, libvirtd.uri]
      const { status, signal, stderr } = spawnSync(process.execPath, words, {
        encoding: 'utf8',
        timeout: 20_000,
      })
      assert.deepEqual({ status, signal }, { status: 0, signal: null }, `run ${run}: ${stderr}`)
    }
  })
}

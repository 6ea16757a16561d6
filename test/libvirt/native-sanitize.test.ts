/** The C library under AddressSanitizer, UndefinedBehaviorSanitizer and ThreadSanitizer (native/Makefile). */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startPrivateLibvirtd } from '../support/private-libvirtd.ts'

const native = join(import.meta.dirname, '../../native')

const sanitizers = ['address', 'thread']

/** Runs `make sanitize-...`; `onLine` hears of each line that its driver prints. */
async function sanitize(name: string, variables: string[], onLine: (line: string) => void): Promise<string> {
  const make = spawn('make', ['-s', '-C', native, `sanitize-${name}`, ...variables], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let output = ''
  let rest = ''
  make.stderr.setEncoding('utf8').on('data', (text: string) => (output += text))
  make.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text
    const lines = (rest + text).split('\n')
    rest = lines.pop() ?? ''
    lines.forEach(onLine)
  })
  const [status] = (await once(make, 'close')) as [number]
  assert.equal(status, 0, output)
  return output
}

for (const name of sanitizers) {
  test(`${name}: nothing is found when it works on the test driver`, { timeout: 300_000 }, async () => {
    const output = await sanitize(name, [], () => undefined)
    assert.match(output, /driver: a connection that fails/)
  })

  test(`${name}: nothing is found when its libvirtd is killed`, { timeout: 300_000 }, async (t) => {
    const dir = mkdtempSync(join(tmpdir(), 'lodge-sanitize-'))
    const libvirtd = await startPrivateLibvirtd({ dir })
    t.after(async () => {
      await libvirtd.stop()
      rmSync(dir, { recursive: true, force: true })
    })
    let killed = Promise.resolve()
    const output = await sanitize(name, [`URI=${libvirtd.uri}`], (line) => {
      if (line === 'driver: ready') killed = libvirtd.kill9()
    })
    await killed
    assert.equal(output.match(/driver: told of the loss/g)?.length, 2, output)
  })
}

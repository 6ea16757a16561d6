import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as constants from '../../../src/libvirt/constants.ts'
import * as errors from '../../../src/libvirt/errors.ts'

test("every number equals that of libvirt's headers", (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'lodge-constants-'))
  t.after(() => rmSync(dir, { recursive: true }))
  const ours = Object.entries({ ...constants, ...errors }).filter(([name]) => name.startsWith('VIR_'))
  assert.ok(ours.length > 150)

  const source = [
    '#include <libvirt/libvirt.h>',
    '#include <libvirt/libvirt-qemu.h>',
    '#include <libvirt/virterror.h>',
    '#include <stdio.h>',
    'int main(void) {',
    ...ours.map(([name]) => `printf("%lld\\n", (long long)${name});`),
    '}',
  ]
  writeFileSync(join(dir, 'numbers.c'), source.join('\n'))
  execFileSync('cc', ['-o', join(dir, 'numbers'), join(dir, 'numbers.c')], { timeout: 30_000 })
  const theirs = execFileSync(join(dir, 'numbers'), { encoding: 'utf8', timeout: 5000 }).trim().split('\n')

  // Bit 31 is a negative number to C's enums; on the wire the two are the same.
  const asWire = (value: number | string): number => Number(value) | 0
  for (const [i, [name, value]] of ours.entries())
    assert.equal(asWire(value as number), asWire(theirs[i]!), name)
})

import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { makeDirectory } from '../../../src/base/make-directory.ts'

const root = mkdtempSync(join(tmpdir(), 'lodge-mkdir-'))
after(() => rmSync(root, { recursive: true, force: true }))

test('makes what is missing, and leaves what is there', () => {
  const deep = join(root, 'a', 'b', 'c')
  makeDirectory(deep, 0o700)
  makeDirectory(deep, 0o755)
  assert.equal(statSync(deep).mode & 0o777, 0o700)
  symlinkSync(deep, join(root, 'link'))
  makeDirectory(join(root, 'link', 'd'))
  assert.equal(statSync(join(deep, 'd')).isDirectory(), true)
  makeDirectory('/')
})

test('what cannot be made is an error, and at once, also below /proc', { timeout: 10_000 }, () => {
  assert.throws(() => makeDirectory('/proc/lodge/agent'), { code: 'ENOENT' })
  writeFileSync(join(root, 'file'), '')
  assert.throws(() => makeDirectory(join(root, 'file')), { code: 'EEXIST' })
  assert.throws(() => makeDirectory(join(root, 'file', 'below')), { code: 'ENOTDIR' })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { libvirtError } from '../../../src/libvirt/errors.ts'

const failure = { call: 'domainReboot', code: 1, domain: 10, level: 2, alive: true, message: 'words' }

test('codes decide the kind, and the numbers travel along', () => {
  const kinds: [number, string][] = [
    [42, 'notFound'],
    [55, 'conflict'],
    [86, 'conflict'],
    [68, 'timeout'],
    [27, 'badRequest'],
    [3, 'notImplemented'],
    [1, 'internal'],
    [9, 'internal'],
    [9999, 'internal'],
    [-1, 'unavailable'],
    [-2, 'tooLarge'],
  ]
  for (const [code, kind] of kinds) {
    const error = libvirtError({ ...failure, code })
    assert.equal(error.kind, kind, `code ${code}`)
    assert.deepEqual(error.details, { call: 'domainReboot', code, domain: 10, level: 2 })
    assert.equal(error.message, 'words')
  }
})

test('a failure with which the connection went is unavailable, unless trying again cannot help', () => {
  assert.equal(libvirtError({ ...failure, code: 38, alive: false }).kind, 'unavailable')
  assert.equal(libvirtError({ ...failure, code: 1, alive: false }).kind, 'unavailable')
  assert.equal(libvirtError({ ...failure, code: 45, alive: false }).kind, 'forbidden')
  assert.equal(libvirtError({ ...failure, code: 8, alive: false }).kind, 'badRequest')
})

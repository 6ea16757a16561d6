import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parsePatch } from '../../../src/api/image/json-patch.ts'

const newer = 'application/openstack-images-v2.1-json-patch'
const older = 'application/openstack-images-v2.0-json-patch'

test('both forms say the same', () => {
  const expected = [
    { op: 'replace', attribute: 'name', value: 'x' },
    { op: 'add', attribute: 'a', value: 'b' },
    { op: 'remove', attribute: 'c' },
  ]
  assert.deepEqual(
    parsePatch(newer, [
      { op: 'replace', path: '/name', value: 'x' },
      { op: 'add', path: '/a', value: 'b' },
      { op: 'remove', path: '/c' },
    ]),
    expected,
  )
  assert.deepEqual(
    parsePatch(older, [{ replace: '/name', value: 'x' }, { add: '/a', value: 'b' }, { remove: '/c' }]),
    expected,
  )
})

test('a path is a JSON pointer of one level', () => {
  const attribute = (path: string) => parsePatch(newer, [{ op: 'remove', path }])[0]?.attribute
  assert.equal(attribute('/owner_specified.openstack.md5'), 'owner_specified.openstack.md5')
  assert.equal(attribute('/a~1b~0c'), 'a/b~c')
  assert.equal(attribute('/~01'), '~1')
  for (const path of ['', '/', 'name', '/tags/0', '/a~2', '/a~'])
    assert.throws(() => attribute(path), { kind: 'badRequest' }, path)
})

test('anything but a list of operations is refused', () => {
  for (const body of [null, {}, 'x', [1], [null], [[]], [{}], [{ op: 'move', path: '/a' }], [{ op: 'add' }]])
    assert.throws(() => parsePatch(newer, body), { kind: 'badRequest' }, JSON.stringify(body))
  assert.throws(() => parsePatch(newer, [{ op: 'add', path: '/a' }]), /member named "value"/)
  assert.throws(() => parsePatch(older, [{ toString: '/a' }]), { kind: 'badRequest' })
})

test('other media types are refused', () => {
  for (const type of ['application/json', '', 'constructor'])
    assert.throws(() => parsePatch(type, []), { kind: 'unsupportedMediaType' }, type)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { filterOf, sortOf } from '../../../src/api/image/list-query.ts'
import { parseQueryString } from '../../../src/api/common/query-string.ts'
import { callers } from './common-support.ts'

const member = callers['member']!
const admin = callers['admin']!
const filter = (query: string, caller = member) => filterOf({ query: parseQueryString(query), caller })
const sort = (query: string) => sortOf({ query: parseQueryString(query) })

test('a member sees its own and the public ones, and the community on request', () => {
  assert.deepEqual(filter('').visibleTo, { projectId: member.projectId, community: false })
  assert.deepEqual(filter('visibility=community').visibleTo, { projectId: member.projectId, community: true })
  assert.deepEqual(filter('visibility=all').visibleTo, { projectId: member.projectId, community: true })
  assert.equal(filter('visibility=all').visibility, undefined)
})

test('an administrator sees all but the community of others, and that on request', () => {
  assert.equal(filter('', admin).visibleTo, undefined)
  assert.deepEqual(filter('', admin).withoutForeignCommunity, { projectId: admin.projectId })
  assert.equal(filter('visibility=all', admin).withoutForeignCommunity, undefined)
})

test('values and lists of values', () => {
  assert.deepEqual(filter('name=a').names, ['a'])
  assert.deepEqual(filter('name=in:a,b').names, ['a', 'b'])
  assert.deepEqual(filter('name=in:"a,b",c').names, ['a,b', 'c'])
  assert.deepEqual(filter('tag=a&tag=b').tags, ['a', 'b'])
  assert.equal(filter('os_hidden=True').hidden, true)
  assert.equal(filter('').hidden, false)
  assert.deepEqual(filter('created_at=gt:2026-01-31T12:00:00Z').times, [
    { column: 'created_at', comparison: 'gt', at: Date.UTC(2026, 0, 31, 12) },
  ])
})

test('any other key is a property, however it is named', () => {
  assert.deepEqual(filter('hw_x=y&constructor=z&limit=3&marker=m').properties, {
    hw_x: 'y',
    constructor: 'z',
  })
})

test('values without a meaning are refused', () => {
  for (const query of [
    'visibility=secret',
    'size_min=-1',
    'size_max=many',
    'min_ram=1.5',
    'protected=maybe',
    'os_hidden=2',
    'created_at=yesterday',
    'updated_at=near:2026-01-31',
    'name=in:"a',
    'id=in:',
    'status=in:a,,b',
  ])
    assert.throws(() => filter(query), { kind: 'badRequest' }, query)
})

test('sorting in both forms', () => {
  assert.deepEqual(sort(''), [{ key: 'created_at', direction: 'desc' }])
  assert.deepEqual(sort('sort=name:asc,size'), [
    { key: 'name', direction: 'asc' },
    { key: 'size', direction: 'desc' },
  ])
  assert.deepEqual(sort('sort_key=name&sort_key=id&sort_dir=asc'), [
    { key: 'name', direction: 'asc' },
    { key: 'id', direction: 'asc' },
  ])
  for (const query of [
    'sort=password',
    'sort=name:up',
    'sort=name&sort_key=id',
    'sort_dir=asc&sort_dir=desc',
  ])
    assert.throws(() => sort(query), { kind: 'badRequest' }, query)
})

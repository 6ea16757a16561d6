import assert from 'node:assert/strict'
import { test } from 'node:test'
import { assert as check, integer, json, property, string, uint8Array } from 'fast-check'
import { LodgeError } from '../../../src/base/errors.ts'
import { formats } from '../../../src/api/common/formats.ts'
import { parseJsonBody } from '../../../src/api/common/json-body.ts'
import { negotiateMicroversion } from '../../../src/api/common/microversion.ts'
import { nextLinks } from '../../../src/api/common/paging.ts'
import { parseQueryString } from '../../../src/api/common/query-string.ts'
import { parseTime, isoTime } from '../../../src/api/common/time.ts'

const range = { min: 1, max: 104 }

test('microversions are negotiated as Nova does', () => {
  const ask = (standard?: string | string[], legacy?: string) =>
    negotiateMicroversion(
      { 'openstack-api-version': standard, 'x-openstack-nova-api-version': legacy },
      range,
    )
  assert.equal(ask(), 1)
  assert.equal(ask('compute 2.30'), 30)
  assert.equal(ask('compute latest'), 104)
  assert.equal(ask('identity 3.2, compute 2.31'), 31)
  assert.equal(ask('volume 3.50'), 1)
  assert.equal(ask('volume 3.50', '2.5'), 5)
  assert.equal(ask('compute 2.30', '2.5'), 30)
  assert.equal(ask(undefined, '2.100'), 100)
  for (const [bad, kind] of [
    ['compute 2.105', 'notAcceptable'],
    ['compute 2.0', 'notAcceptable'],
    ['compute 3.1', 'notAcceptable'],
    ['compute 2', 'badRequest'],
    ['compute 2.01', 'badRequest'],
    ['compute 2.-1', 'badRequest'],
  ] as const)
    assert.throws(
      () => ask(bad),
      (thrown) => thrown instanceof LodgeError && thrown.kind === kind,
      bad,
    )
})

test('formats', () => {
  const { name, uuid, base64 } = formats
  for (const good of ['a', 'a b', 'é ü', '<&">', '名前', '🏠']) assert.ok(name!(good), good)
  for (const bad of ['', ' a', 'a ', '\t', 'a\nb', 'a\u0000b', '\u200b']) assert.ok(!name!(bad), bad)
  for (const good of ['f9a5c6b2-7c2e-4c55-a7b7-0f3b5c3c1a11', 'F9A5C6B27C2E4C55A7B70F3B5C3C1A11'])
    assert.ok(uuid!(good))
  for (const bad of ['', 'x', 'f9a5c6b2-7c2e-4c55-a7b7-0f3b5c3c1a1']) assert.ok(!uuid!(bad))
  assert.ok(base64!(Buffer.from('hello').toString('base64')))
  assert.ok(!base64!('not base64!'))
})

test('times as clients write them', () => {
  const expected = Date.UTC(2026, 0, 31, 12, 30, 5)
  for (const text of [
    '2026-01-31T12:30:05Z',
    '2026-01-31 12:30:05',
    '2026-01-31T13:30:05+01:00',
    '2026-01-31T13:30:05+0100',
    '2026-01-31T12:30:05.000000',
  ])
    assert.equal(parseTime(text), expected, text)
  assert.equal(parseTime('2026-01-31'), Date.UTC(2026, 0, 31))
  for (const bad of ['', 'yesterday', '2026-13-01', '2026-01-31T25:00:00Z', '20260131'])
    assert.equal(parseTime(bad), undefined, bad)
  check(
    property(
      integer({ min: 0, max: 4e9 }),
      (seconds) => parseTime(isoTime(seconds * 1000)) === seconds * 1000,
    ),
  )
})

test('whatever bytes are sent as JSON, they are parsed or refused as bad requests', () => {
  const holds = (bytes: Uint8Array) => {
    try {
      parseJsonBody(bytes)
    } catch (thrown) {
      return thrown instanceof LodgeError && thrown.kind === 'badRequest'
    }
    return true
  }
  check(property(uint8Array({ maxLength: 200 }), holds))
  check(property(json(), (text) => holds(new TextEncoder().encode(text))))
})

test('a query keeps all values of each key, whatever the keys are called', () => {
  assert.deepEqual({ ...parseQueryString('a=1&b=2&a=3&c') }, { a: ['1', '3'], b: ['2'], c: [''] })
  assert.deepEqual(Object.keys(parseQueryString('__proto__=1&constructor=2')), ['__proto__', 'constructor'])
  check(property(string(), (text) => typeof parseQueryString(text) === 'object'))
})

test('the next link carries the query on and replaces the marker', () => {
  const request = {
    links: { versioned: 'http://h/compute/v2.1', bookmark: 'http://h/compute' },
    query: parseQueryString('limit=2&marker=old&name=a b&status=ACTIVE&status=ERROR'),
  }
  assert.deepEqual(nextLinks(request, '/servers', 2, ['x', 'y']), [
    {
      rel: 'next',
      href: 'http://h/compute/v2.1/servers?limit=2&name=a+b&status=ACTIVE&status=ERROR&marker=y',
    },
  ])
  assert.deepEqual(nextLinks(request, '/servers', 3, ['x', 'y']), [])
  assert.deepEqual(nextLinks(request, '/servers', 0, []), [])
})

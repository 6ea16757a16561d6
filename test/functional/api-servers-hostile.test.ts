import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  anything,
  assert as check,
  asyncProperty,
  constantFrom,
  dictionary,
  oneof,
  string,
  type Arbitrary,
} from 'fast-check'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

/** Strings of the kinds that break things: any Unicode unit, control characters, encodings, names of prototypes. */
const nasty: Arbitrary<string> = oneof(
  string({ unit: 'binary' }),
  string({ unit: 'grapheme' }),
  constantFrom(
    '__proto__',
    'constructor',
    '\0',
    '%00',
    '../../etc/passwd',
    '\ud800',
    ']]>',
    "' or 1=1 --",
    '${x}',
  ),
)

const methods = ['GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD'] as const

/** Sends as an administrator, who gets furthest. */
const send = async (bed: ServerBed, method: string, path: string, payload?: string): Promise<number> =>
  (
    await bed.app.inject({
      method: method as 'GET',
      url: `/compute/v2.1${path}`,
      headers: {
        'x-auth-token': 'admin',
        'openstack-api-version': 'compute latest',
        'content-type': 'application/json',
      },
      payload,
    })
  ).statusCode

test('whatever stands in the URL, no answer is a 500', async () => {
  await using bed = await serverBed()
  const { id } = await bed.addServer({ vmState: 'active', host: 'alpha' })
  const paths = [
    '/servers',
    `/servers/${id}/metadata`,
    `/servers/${id}/tags`,
    `/servers/${id}/os-instance-actions`,
    '',
  ]
  await check(
    asyncProperty(constantFrom(...methods), constantFrom(...paths), nasty, async (method, path, text) => {
      for (const part of [encodeURIComponent(text.toWellFormed()), text.replace(/[^\x21-\x7e]/g, '')])
        assert.ok((await send(bed, method, `${path}/${part}`)) < 500, `${method} ${path}/${part}`)
    }),
    { numRuns: 150 },
  )
})

test('whatever stands in the query, no answer is a 500', async () => {
  await using bed = await serverBed()
  await bed.addServer({ vmState: 'active', host: 'alpha' })
  const keys = [
    'name',
    'status',
    'tags',
    'marker',
    'limit',
    'sort_key',
    'changes-since',
    'flavor',
    'user_id',
    'host',
  ]
  await check(
    asyncProperty(
      constantFrom(...keys),
      nasty,
      constantFrom('/servers', '/servers/detail'),
      async (key, text, path) => {
        const query = new URLSearchParams([[key, text]])
        assert.ok((await send(bed, 'GET', `${path}?${query}`)) < 500, `${path}?${query}`)
      },
    ),
    { numRuns: 200 },
  )
})

test('whatever is sent as a server or an action, no answer is a 500', async () => {
  await using bed = await serverBed()
  const { id } = await bed.addServer({ vmState: 'active', host: 'alpha' })
  const values = oneof(nasty, anything({ withNullPrototype: false }), dictionary(nasty, nasty))
  const fields = [
    'name',
    'metadata',
    'user_data',
    'imageRef',
    'flavorRef',
    'key_name',
    'tags',
    'hostname',
    'min_count',
  ]
  const actions = [
    'os-start',
    'reboot',
    'createImage',
    'lock',
    'os-resetState',
    'os-getConsoleOutput',
    'rebuild',
  ]
  await check(
    asyncProperty(constantFrom(...fields), constantFrom(...actions), values, async (field, action, value) => {
      for (const [method, path, body] of [
        ['POST', '/servers', bed.body({ [field]: value })],
        ['POST', '/servers', bed.body({}, { 'os:scheduler_hints': value })],
        ['PUT', `/servers/${id}`, { server: { [field]: value } }],
        ['POST', `/servers/${id}/metadata`, { metadata: value }],
        ['PUT', `/servers/${id}/tags`, { tags: [value] }],
        ['POST', `/servers/${id}/action`, { [action]: value }],
        ['POST', `/servers/${id}/action`, value],
      ] as const) {
        const payload = JSON.stringify(body, (_key, inner: unknown) =>
          typeof inner === 'bigint' ? String(inner) : inner,
        )
        // The bed has no agents, so the console cannot be asked.
        const status = await send(bed, method, path, payload)
        assert.ok(
          status < 500 || (status === 503 && action === 'os-getConsoleOutput'),
          `${method} ${path} ${payload}`,
        )
      }
    }),
    { numRuns: 60 },
  )
})

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { LodgeError } from '../../../src/base/errors.ts'
import { object, once as onceInQuery, nonNegativeInteger } from '../../../src/api/common/schema-parts.ts'
import { as, echo, projectId, testApi } from './common-support.ts'

const json = { 'content-type': 'application/json' }

test('a request without a valid token gets 401 in the form of the token middleware', async () => {
  const app = testApi({ compute: [echo({})] })
  for (const headers of [{}, as('nobody'), as('')]) {
    const answer = await app.inject({ url: '/compute/v2.1/things', headers })
    assert.equal(answer.statusCode, 401)
    assert.equal(answer.headers['www-authenticate'], 'Keystone uri="http://localhost:80/identity"')
    assert.equal(answer.json().error.code, 401)
  }
})

test('every answer names its request, and compute its microversion', async () => {
  const app = testApi({ compute: [echo({})] })
  const answers = await Promise.all([
    app.inject({ url: '/compute/v2.1/things', headers: as('reader') }),
    app.inject({ url: '/compute/v2.1/nothing', headers: as('reader') }),
    app.inject({ url: '/compute/v2.1/%zz', headers: as('reader') }),
    app.inject({ url: '/compute/v2.1/things' }),
    app.inject({ url: '/compute' }),
  ])
  assert.deepEqual(
    answers.map((answer) => answer.statusCode),
    [200, 404, 400, 401, 200],
  )
  for (const { headers } of answers) {
    assert.match(String(headers['x-openstack-request-id']), /^req-[0-9a-f-]{36}$/)
    assert.equal(headers['x-compute-request-id'], headers['x-openstack-request-id'])
    assert.equal(headers['openstack-api-version'], 'compute 2.1')
    assert.equal(headers['x-openstack-nova-api-version'], '2.1')
    assert.match(String(headers['vary']), /OpenStack-API-Version/)
  }
})

test('identity headers of a client are of no effect', async () => {
  const app = testApi({ compute: [echo({ role: 'admin' })] })
  const headers = as('reader', {
    'x-roles': 'admin',
    'x-is-admin-project': 'True',
    'x-identity-status': 'Confirmed',
  })
  assert.equal((await app.inject({ url: '/compute/v2.1/things', headers })).statusCode, 403)
})

test('policy: the role of the row, a project for compute, and Nova’s sentence', async () => {
  const app = testApi({ compute: [echo({ role: 'member', policy: 'os_compute_api:things:index' })] })
  const codeFor = async (role: string) =>
    (await app.inject({ url: '/compute/v2.1/things', headers: as(role) })).statusCode
  assert.equal(await codeFor('member'), 200)
  assert.equal(await codeFor('admin'), 200)
  assert.equal(await codeFor('systemAdmin'), 403)
  const refused = await app.inject({ url: '/compute/v2.1/things', headers: as('reader') })
  assert.deepEqual(refused.json(), {
    forbidden: { code: 403, message: "Policy doesn't allow os_compute_api:things:index to be performed." },
  })
})

test('the microversion decides which form of a route answers, and which success code', async () => {
  const app = testApi({
    compute: [
      echo({ max: 10, success: 202 }),
      echo({
        min: 11,
        max: 50,
        success: [
          { max: 20, code: 200 },
          { min: 21, code: 201 },
        ],
      }),
    ],
  })
  const codeAt = async (version: string) =>
    (
      await app.inject({
        url: '/compute/v2.1/things',
        headers: as('reader', { 'openstack-api-version': version }),
      })
    ).statusCode
  assert.equal(await codeAt('compute 2.10'), 202)
  assert.equal(await codeAt('compute 2.11'), 200)
  assert.equal(await codeAt('compute 2.21'), 201)
  assert.equal(await codeAt('compute 2.51'), 404)
  assert.equal(await codeAt('compute 2.999'), 406)
  assert.equal(await codeAt('compute two'), 400)
})

test('the project in the URL must be the token’s, and stands in the links', async () => {
  const app = testApi({ compute: [echo({ path: '/things/:id' })] })
  const good = await app.inject({
    url: `/compute/v2.1/${projectId}/things/7?x=1`,
    headers: as('reader', { host: 'cloud.example:99' }),
  })
  assert.deepEqual(good.json().links, {
    versioned: `http://cloud.example:99/compute/v2.1/${projectId}`,
    bookmark: `http://cloud.example:99/compute/${projectId}`,
  })
  assert.deepEqual(good.json().params, { id: '7' })
  const wrong = await app.inject({ url: '/compute/v2.1/abc-123/things/7', headers: as('reader') })
  assert.equal(wrong.statusCode, 400)
  assert.match(wrong.json().badRequest.message, /^Malformed request URL/)
})

test('a Host header that is no host does not reach the links', async () => {
  const app = testApi({ compute: [echo({})] })
  const answer = await app.inject({
    url: '/compute/v2.1/things',
    headers: as('reader', { host: 'x"><script>' }),
  })
  assert.equal(answer.json().links.versioned, 'http://127.0.0.1:8774/compute/v2.1')
})

test('an action is the only key of the body', async () => {
  const path = '/things/:id/action'
  const app = testApi({
    compute: [
      echo({ method: 'POST', path, action: 'turn', body: [{ schema: object({ by: { type: 'integer' } }) }] }),
      echo({ method: 'POST', path, action: 'stop', min: 5 }),
    ],
  })
  const post = async (payload: string) =>
    app.inject({ method: 'POST', url: '/compute/v2.1/things/1/action', headers: as('reader', json), payload })
  assert.deepEqual((await post('{"turn":{"by":3}}')).json().body, { by: 3 })
  assert.equal((await post('{"turn":{"by":"3"}}')).statusCode, 400)
  assert.equal(
    (await post('{"turn":null}')).json().badRequest.message,
    "Invalid input for field/attribute turn. Value: None. None is not of type 'object'",
  )
  assert.equal((await post('{"stop":null}')).statusCode, 404)
  assert.equal((await post('{"jump":null}')).json().badRequest.message, 'There is no such action: jump')
  for (const body of ['{}', '{"turn":{},"stop":null}', '[]', 'null', '"turn"', ''])
    assert.equal((await post(body)).json().badRequest.message, 'Malformed request body', body)
})

test('bodies that are not what they should be get 4xx', async () => {
  const app = testApi({
    compute: [
      echo({
        method: 'POST',
        body: [{ schema: object({ name: { type: 'string' } }, { required: ['name'] }) }],
      }),
    ],
  })
  const post = async (payload: string | Buffer, headers: Record<string, string> = json) =>
    app.inject({ method: 'POST', url: '/compute/v2.1/things', headers: as('reader', headers), payload })
  assert.equal((await post('{"name":"x"}')).statusCode, 200)
  assert.equal(
    (await post('{"name":"x"}', { 'content-type': 'application/json; charset=utf-8' })).statusCode,
    200,
  )
  const refused: [string | Buffer, number, Record<string, string>?][] = [
    ['{"name":', 400],
    ['', 400],
    ['null', 400],
    ['{"name":"x","more":1}', 400],
    ['{"name":"x","__proto__":{"a":1}}', 400],
    ['{"name":"x","\\u005f_proto__":{"a":1}}', 400],
    [Buffer.from([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x3a, 0x31, 0x7d]), 400],
    [`{"name":${'['.repeat(40_000)}${']'.repeat(40_000)}}`, 400],
    ['{"name":"x"}', 400, { 'content-type': 'text/plain' }],
    ['{"name":"x"}', 415, { 'content-type': 'application/xml' }],
    ['{"name":"x"}', 415, { 'content-type': 'nonsense' }],
    [`{"name":"${'x'.repeat(120_000)}"}`, 413],
  ]
  for (const [payload, status, headers] of refused) {
    const answer = await post(payload, headers)
    assert.equal(answer.statusCode, status, String(payload).slice(0, 60))
    const [fault] = Object.values(answer.json<Record<string, { code: number }>>())
    assert.equal(fault?.code, status)
  }
})

test('a body of 100 MB is refused by its length, before it is sent', async () => {
  const app = testApi({ compute: [echo({ method: 'POST' })] })
  await app.listen({ host: '127.0.0.1', port: 0 })
  try {
    const { port } = app.server.address() as AddressInfo
    const upload = request({
      port,
      method: 'POST',
      path: '/compute/v2.1/things',
      headers: { ...as('reader', json), 'content-length': '104857600' },
    })
    upload.on('error', () => {})
    upload.write('{')
    const [answer] = await once(upload, 'response')
    assert.equal(answer.statusCode, 413)
    upload.destroy()
  } finally {
    await app.close()
  }
})

test('strange URLs get 4xx', async () => {
  const app = testApi({ compute: [echo({ path: '/things/:id' })] })
  for (const [url, status] of [
    ['/compute/v2.1/things/%00', 404],
    ['/compute/v2.1/things/%ff%fe', 400],
    ['/compute/v2.1/things/%', 400],
    ['/compute/v2.1/things/..%2f..%2fetc', 200],
    ['/compute/v2.1/things/a?x=%ff&__proto__=1&x=%', 200],
    [`/compute/v2.1/things/${'a'.repeat(5000)}`, 400],
    ['/elsewhere', 404],
    ['/computer/v2.1/things/1', 404],
  ] as const) {
    const answer = await app.inject({ url, headers: as('reader') })
    assert.equal(answer.statusCode, status, url.slice(0, 60))
  }
})

test('the query is held against its schema as arrays', async () => {
  const schema = object({ limit: onceInQuery(nonNegativeInteger) })
  const app = testApi({ compute: [echo({ query: [{ min: 75, schema }] })] })
  const get = async (query: string, version: string) =>
    app.inject({
      url: `/compute/v2.1/things${query}`,
      headers: as('reader', { 'x-openstack-nova-api-version': version }),
    })
  assert.equal((await get('?limit=5', '2.75')).statusCode, 200)
  assert.equal((await get('?foo=5', '2.74')).statusCode, 200)
  assert.equal(
    (await get('?limit=-5', '2.75')).json().badRequest.message,
    "Invalid input for query parameters limit. Value: -5. '-5' does not match '^[0-9]+$'",
  )
  assert.equal((await get('?foo=5', '2.75')).statusCode, 400)
  assert.equal((await get('?limit=1&limit=2', '2.75')).statusCode, 400)
})

test('a defect answers 500 with the request id and nothing of its cause', async () => {
  const app = testApi({
    compute: [
      echo({
        handler: async () => {
          throw new TypeError('secret of ours')
        },
      }),
    ],
  })
  const answer = await app.inject({ url: '/compute/v2.1/things', headers: as('reader') })
  assert.equal(answer.statusCode, 500)
  assert.ok(!answer.body.includes('secret'))
  assert.ok(answer.json().computeFault.message.includes(answer.headers['x-openstack-request-id']))
})

test('each service has its own form of faults', async () => {
  const gone = {
    handler: async () => {
      throw new LodgeError('conflict', 'No.')
    },
  }
  const app = testApi({
    identity: [echo(gone)],
    compute: [echo(gone)],
    image: [echo(gone)],
    network: [echo(gone)],
  })
  const at = async (path: string) => (await app.inject({ url: path, headers: as('reader') })).json()
  assert.deepEqual(await at('/identity/v3/things'), {
    error: { code: 409, message: 'No.', title: 'Conflict' },
  })
  assert.deepEqual(await at('/image/v2/things'), { error: { code: 409, message: 'No.', title: 'Conflict' } })
  assert.deepEqual(await at('/compute/v2.1/things'), { conflictingRequest: { code: 409, message: 'No.' } })
  assert.equal((await at('/network/v2.0/things')).NeutronError.message, 'No.')
})

test('identity’s open routes need no token', async () => {
  const app = testApi({ identity: [echo({ role: 'none' })], compute: [echo({ role: 'none' })] })
  assert.equal((await app.inject({ url: '/identity/v3/things' })).statusCode, 200)
  assert.equal((await app.inject({ url: '/compute/v2.1/things' })).statusCode, 401)
})

test('a raw route gets the stream, without a limit', async () => {
  const app = testApi({
    image: [
      echo({
        method: 'PUT',
        rawBody: true,
        handler: async ({ stream }) => {
          let bytes = 0
          for await (const chunk of stream!) bytes += chunk.length
          return { body: { bytes } }
        },
      }),
    ],
  })
  const answer = await app.inject({
    method: 'PUT',
    url: '/image/v2/things',
    headers: as('member', { 'content-type': 'application/octet-stream' }),
    payload: Buffer.alloc(300_000),
  })
  assert.deepEqual(answer.json(), { bytes: 300_000 })
})

test('the legacy endpoint knows no microversions and drops unknown properties', async () => {
  const app = testApi({
    compute: [echo({ method: 'POST', body: [{ schema: object({ name: { type: 'string' } }) }] })],
  })
  const answer = await app.inject({
    method: 'POST',
    url: `/compute/v2/${projectId}/things`,
    headers: as('reader', { ...json, 'x-openstack-nova-api-version': '2.90' }),
    payload: '{"name":"x","unknown":1}',
  })
  assert.equal(answer.json().version, 1)
  assert.deepEqual(answer.json().body, { name: 'x' })
})

test('version documents need no token', async () => {
  const app = testApi({})
  for (const [url, status] of [
    ['/', 200],
    ['/identity', 300],
    ['/identity/v3', 200],
    ['/compute', 200],
    ['/compute/', 200],
    ['/compute/v2.1', 200],
    ['/compute/v2.1/', 200],
    ['/compute/v2', 200],
    ['/compute/other', 300],
    ['/image', 300],
    ['/network', 200],
    ['/network/v2.0', 200],
  ] as const) {
    const answer = await app.inject({ url })
    assert.equal(answer.statusCode, status, url)
    assert.ok(answer.json(), url)
  }
  const { version } = (await app.inject({ url: '/compute/v2.1' })).json()
  assert.equal(version.id, 'v2.1')
  assert.equal(version.links[0].href, 'http://localhost:80/compute/v2.1/')
})

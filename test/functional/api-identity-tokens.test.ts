import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { controllerBed, newcomerPassword, testClock, type ControllerBed } from '../support/controller-bed.ts'

const clock = testClock()
let bed: ControllerBed
before(async () => {
  bed = await controllerBed(clock)
})
after(async () => {
  await bed[Symbol.asyncDispose]()
})

const tokens = '/identity/v3/auth/tokens'
const auth = (identity: object, scope?: unknown) =>
  bed.call(`POST ${tokens}`, { token: null, body: { auth: { identity, ...(scope ? { scope } : {}) } } })
const byPassword = (user: object, scope?: unknown) =>
  auth({ methods: ['password'], password: { user } }, scope)
const admin = () => ({ name: 'admin', domain: { id: 'default' }, password: bed.password })

test('a token for a project tells who, where, which roles and the catalog', async () => {
  const answer = await byPassword(admin(), { project: { name: 'admin', domain: { name: 'Default' } } })
  assert.equal(answer.status, 201)
  assert.match(String(answer.headers['x-subject-token']), /^[\w-]{43}$/)
  assert.equal(answer.headers['vary'], 'X-Auth-Token')
  const { token } = answer.body
  assert.deepEqual(token.methods, ['password'])
  assert.equal(token.user.name, 'admin')
  assert.deepEqual(token.user.domain, { id: 'default', name: 'Default' })
  assert.equal(token.project.name, 'admin')
  assert.deepEqual(token.roles.map((role: { name: string }) => role.name).sort(), [
    'admin',
    'manager',
    'member',
    'reader',
  ])
  assert.equal(token.audit_ids.length, 1)
  assert.match(token.expires_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$/)
  assert.equal(Date.parse(token.expires_at) - Date.parse(token.issued_at), 24 * 3_600_000)
  assert.deepEqual(
    token.catalog.map((one: { type: string; name: string }) => `${one.type}/${one.name}`),
    ['identity/keystone', 'compute/nova', 'image/glance', 'network/neutron'],
  )
  for (const service of token.catalog)
    assert.deepEqual(
      service.endpoints.map((one: { interface: string; region: string }) => `${one.interface} ${one.region}`),
      ['public RegionOne', 'internal RegionOne', 'admin RegionOne'],
    )
})

test('the catalog has the URLs of the settings, else those of the request', async () => {
  const urls = async () => {
    const answer = await bed.call('GET /identity/v3/auth/catalog', { headers: { host: '10.1.2.3:99' } })
    return answer.body.catalog.map((one: { endpoints: { url: string }[] }) => one.endpoints[0]?.url)
  }
  assert.deepEqual(await urls(), [
    'http://10.1.2.3:99/identity',
    'http://10.1.2.3:99/compute/v2.1',
    'http://10.1.2.3:99/image',
    'http://10.1.2.3:99/network',
  ])
  bed.services.config.publicUrls.compute = 'https://cloud.example/compute'
  assert.equal((await urls())[1], 'https://cloud.example/compute/v2.1')
  bed.services.config.publicUrls.compute = null
})

test('scopes: none, system, domain, default project', async () => {
  const unscoped = await byPassword(admin(), { unscoped: {} })
  assert.equal(unscoped.status, 201)
  for (const key of ['project', 'roles', 'catalog', 'domain', 'system'])
    assert.equal(unscoped.body.token[key], undefined, key)
  assert.equal((await byPassword(admin(), 'unscoped')).status, 201)
  assert.equal((await byPassword(admin())).body.token.project, undefined)

  const system = await byPassword(admin(), { system: { all: true } })
  assert.deepEqual(system.body.token.system, { all: true })

  assert.equal((await byPassword(admin(), { domain: { id: 'default' } })).status, 401, 'no role there')
  const roles = await bed.call('GET /identity/v3/roles?name=admin')
  const me = unscoped.body.token.user.id
  await bed.call(`PUT /identity/v3/domains/default/users/${me}/roles/${roles.body.roles[0].id}`)
  const domain = await byPassword(admin(), { domain: { name: 'Default' } })
  assert.deepEqual(domain.body.token.domain, { id: 'default', name: 'Default' })

  const { userId, projectId } = await bed.newcomer('homely', 'member')
  await bed.call(`PATCH /identity/v3/users/${userId}`, { body: { user: { default_project_id: projectId } } })
  const home = await byPassword({ id: userId, password: newcomerPassword })
  assert.equal(home.body.token.project.id, projectId)
})

test('whatever is wrong with a login, the answer is one and the same', async () => {
  const { userId } = await bed.newcomer('disabled', 'member')
  await bed.call(`PATCH /identity/v3/users/${userId}`, { body: { user: { enabled: false } } })
  await bed.newcomer('stranger', 'member')
  const answers = [
    await byPassword({ ...admin(), password: 'wrong' }),
    await byPassword({ ...admin(), name: 'nobody' }),
    await byPassword({ ...admin(), domain: { name: 'nowhere' } }),
    await byPassword({ id: 'f'.repeat(32), password: 'x' }),
    await byPassword({ id: userId, password: newcomerPassword }),
    await byPassword(admin(), { project: { id: 'f'.repeat(32) } }),
    await byPassword(admin(), { project: { name: 'stranger-project', domain: { id: 'default' } } }),
    await auth({ methods: ['token'], token: { id: 'made up' } }),
  ]
  for (const { status, body, headers } of answers) {
    assert.equal(status, 401)
    assert.deepEqual(body, {
      error: {
        code: 401,
        message: 'The request you have made requires authentication.',
        title: 'Unauthorized',
      },
    })
    assert.equal(headers['x-subject-token'], undefined)
  }
})

test('a body that is no login is refused with what is wrong', async () => {
  for (const body of [
    {},
    { auth: {} },
    { auth: { identity: { methods: [] } } },
    { auth: { identity: { methods: ['password'] } } },
    { auth: { identity: { methods: ['password'], password: { user: { password: 'x' } } } } },
    { auth: { identity: { methods: ['password'], password: { user: { ...admin(), password: 5 } } } } },
    {
      auth: {
        identity: { methods: ['password'], password: { user: { ...admin(), password: 'x'.repeat(5000) } } },
      },
    },
    { auth: { identity: { methods: ['password'], password: { user: admin() } }, scope: 'everything' } },
    { auth: { identity: { methods: ['password'], password: { user: admin() } }, scope: { project: {} } } },
    { auth: { identity: { methods: ['password'], password: { user: admin() } }, scope: {} } },
  ]) {
    const answer = await bed.call(`POST ${tokens}`, { token: null, body })
    assert.equal(answer.status, 400, JSON.stringify(body).slice(0, 200))
    assert.equal(answer.body.error.title, 'Bad Request')
  }
  assert.equal((await auth({ methods: ['totp'] })).status, 401)
})

test('a token is exchanged for another scope, and does not live longer by that', async () => {
  const first = await byPassword(admin(), { unscoped: {} })
  clock.offset += 3_600_000
  const second = await auth(
    { methods: ['token'], token: { id: first.headers['x-subject-token'] } },
    { project: { name: 'admin', domain: { id: 'default' } } },
  )
  assert.equal(second.status, 201)
  assert.deepEqual(second.body.token.methods.sort(), ['password', 'token'])
  assert.equal(second.body.token.expires_at, first.body.token.expires_at)
})

test('a token is shown, checked and revoked', async () => {
  const { token } = await bed.newcomer('shown', 'member')
  const about = { 'x-subject-token': token }
  const shown = await bed.call(`GET ${tokens}`, { headers: about })
  assert.equal(shown.status, 200)
  assert.equal(shown.body.token.user.name, 'shown')
  assert.ok(shown.body.token.catalog)
  assert.equal((await bed.call(`GET ${tokens}?nocatalog`, { headers: about })).body.token.catalog, undefined)
  assert.equal((await bed.call(`HEAD ${tokens}`, { headers: about })).status, 200)
  assert.equal((await bed.call(`GET ${tokens}`, { token, headers: about })).status, 200, 'its own')

  const again = String((await bed.login('shown', newcomerPassword)).headers['x-subject-token'])
  assert.equal((await bed.call(`HEAD ${tokens}`, { token: again, headers: about })).status, 200)

  const other = await bed.newcomer('curious', 'member')
  assert.equal((await bed.call(`GET ${tokens}`, { token: other.token, headers: about })).status, 403)
  assert.equal((await bed.call(`DELETE ${tokens}`, { token: other.token, headers: about })).status, 403)

  assert.equal((await bed.call('GET /image/v2/images', { token })).status, 200)
  assert.equal((await bed.call(`DELETE ${tokens}`, { token, headers: about })).status, 204)
  assert.equal(
    (await bed.call('GET /image/v2/images', { token })).status,
    401,
    'at once, also from the cache',
  )
  const gone = await bed.call(`GET ${tokens}`, { headers: about })
  assert.equal(gone.status, 404)
  assert.ok(!JSON.stringify(gone.body).includes(token), 'errors do not repeat tokens')
  assert.equal((await bed.call(`GET ${tokens}`)).status, 404)
})

test('a token ends with its time, and its row goes', async () => {
  const { token } = await bed.newcomer('late', 'member')
  assert.equal((await bed.call('GET /image/v2/images', { token })).status, 200)
  clock.offset += 24 * 3_600_000
  assert.equal((await bed.call('GET /image/v2/images', { token })).status, 401)
  bed.adminToken = String((await bed.login('admin', bed.password, 'admin')).headers['x-subject-token'])
  const left = await bed.store.db.selectFrom('tokens').select('expires_at').execute()
  assert.ok(
    left.every((row) => row.expires_at > clock.now()),
    'expired tokens were purged',
  )
})

test('tokens are not kept: the store has their hashes only', async () => {
  const rows = JSON.stringify(await bed.store.db.selectFrom('tokens').selectAll().execute())
  assert.ok(!rows.includes(bed.adminToken))
  const users = JSON.stringify(await bed.store.db.selectFrom('users').selectAll().execute())
  assert.ok(!users.includes(bed.password) && !users.includes(newcomerPassword))
})

const ends: [string, (them: { userId: string; projectId: string }) => Promise<unknown>][] = [
  [
    'the user is disabled',
    ({ userId }) => bed.call(`PATCH /identity/v3/users/${userId}`, { body: { user: { enabled: false } } }),
  ],
  ['the user is deleted', ({ userId }) => bed.call(`DELETE /identity/v3/users/${userId}`)],
  [
    'the password is set anew',
    ({ userId }) => bed.call(`PATCH /identity/v3/users/${userId}`, { body: { user: { password: 'new' } } }),
  ],
  [
    'the project is disabled',
    ({ projectId }) =>
      bed.call(`PATCH /identity/v3/projects/${projectId}`, { body: { project: { enabled: false } } }),
  ],
  ['the project is deleted', ({ projectId }) => bed.call(`DELETE /identity/v3/projects/${projectId}`)],
  [
    'the last role is taken',
    async ({ userId, projectId }) => {
      const { body } = await bed.call('GET /identity/v3/roles?name=member')
      await bed.call(`DELETE /identity/v3/projects/${projectId}/users/${userId}/roles/${body.roles[0].id}`)
    },
  ],
]
for (const [index, [what, end]] of ends.entries())
  test(`a token ends at once when ${what}`, async () => {
    const them = await bed.newcomer(`ending-${index}`, 'member')
    assert.equal((await bed.call('GET /image/v2/images', { token: them.token })).status, 200)
    await end(them)
    assert.equal((await bed.call('GET /image/v2/images', { token: them.token })).status, 401)
  })

test('a role that is given counts at once', async () => {
  const { token, userId, projectId } = await bed.newcomer('rising', 'reader')
  const create = () => bed.call('POST /image/v2/images', { token, body: { name: 'x' } })
  assert.equal((await create()).status, 403)
  const { body } = await bed.call('GET /identity/v3/roles?name=member')
  await bed.call(`PUT /identity/v3/projects/${projectId}/users/${userId}/roles/${body.roles[0].id}`)
  assert.equal((await create()).status, 201)
})

test('OSSA-2025-002, OSSA-2026-001: headers that claim an identity count for nothing', async () => {
  const { token } = await bed.newcomer('forger', 'reader')
  const forged = {
    'x-user-id': 'admin',
    'x-roles': 'admin',
    'x-role': 'admin',
    'x-is-admin': 'true',
    'x-is-admin-project': 'True',
    'x-identity-status': 'Confirmed',
    'x-project-id': 'admin',
    'x-service-roles': 'service',
  }
  assert.equal((await bed.call('GET /identity/v3/users', { token, headers: forged })).status, 403)
  assert.equal((await bed.call('GET /identity/v3/users', { token: null, headers: forged })).status, 401)
})

test('what the caller may have tokens for', async () => {
  const { userId, projectId } = await bed.newcomer('chooser', 'member')
  const unscoped = await byPassword({ id: userId, password: newcomerPassword }, { unscoped: {} })
  const token = String(unscoped.headers['x-subject-token'])
  const projects = await bed.call('GET /identity/v3/auth/projects', { token })
  assert.deepEqual(
    projects.body.projects.map((one: { id: string }) => one.id),
    [projectId],
  )
  assert.deepEqual((await bed.call('GET /identity/v3/auth/domains', { token })).body.domains, [])
  assert.deepEqual((await bed.call('GET /identity/v3/auth/system', { token })).body.system, [])
  assert.deepEqual((await bed.call('GET /identity/v3/auth/system')).body.system, [{ all: true }])
  assert.equal((await bed.call('GET /identity/v3/auth/catalog', { token })).status, 403)
})

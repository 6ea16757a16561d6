import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { controllerBed, newcomerPassword, type ControllerBed } from '../support/controller-bed.ts'

let bed: ControllerBed
before(async () => {
  bed = await controllerBed()
})
after(async () => {
  await bed[Symbol.asyncDispose]()
})

const v3 = '/identity/v3'
const roleId = async (name: string): Promise<string> =>
  (await bed.call(`GET ${v3}/roles?name=${name}`)).body.roles[0].id

test('a user is created, shown, listed, changed and deleted', async () => {
  const created = await bed.call(`POST ${v3}/users`, {
    body: { user: { name: 'kim', password: 'pw', email: 'k@x', description: 'd', shoe_size: 38 } },
  })
  assert.equal(created.status, 201)
  const { user } = created.body
  assert.match(user.id, /^[0-9a-f]{32}$/)
  assert.equal(user.domain_id, 'default')
  assert.equal(user.enabled, true)
  assert.equal(user.shoe_size, 38)
  assert.ok(user.links.self.endsWith(`/identity/v3/users/${user.id}`))
  assert.ok(!JSON.stringify(created.body).includes('"pw"'), 'no password comes back')

  assert.deepEqual((await bed.call(`GET ${v3}/users/${user.id}`)).body.user, user)
  const names = async (query: string) =>
    (await bed.call(`GET ${v3}/users${query}`)).body.users.map((one: { name: string }) => one.name)
  assert.deepEqual(await names('?name=kim'), ['kim'])
  assert.deepEqual(await names('?name=kim&enabled=false'), [])
  assert.deepEqual(await names('?domain_id=nowhere'), [])
  assert.deepEqual(await names(''), ['admin', 'kim'])

  const changed = await bed.call(`PATCH ${v3}/users/${user.id}`, {
    body: { user: { name: 'kimberly', email: null, shoe_size: null, hat: 'red' } },
  })
  assert.equal(changed.status, 200)
  assert.equal(changed.body.user.name, 'kimberly')
  assert.equal(changed.body.user.email, undefined)
  assert.equal(changed.body.user.shoe_size, undefined)
  assert.equal(changed.body.user.hat, 'red')
  assert.equal(changed.body.user.description, 'd')
  assert.equal((await bed.login('kimberly', 'pw')).status, 201, 'the password stayed')

  assert.equal((await bed.call(`DELETE ${v3}/users/${user.id}`)).status, 204)
  assert.equal((await bed.call(`DELETE ${v3}/users/${user.id}`)).status, 404)
  assert.equal(
    (await bed.call(`GET ${v3}/users/${user.id}`)).body.error.message,
    `Could not find user: ${user.id}.`,
  )
})

test('names are taken once in a domain', async () => {
  const d = await bed.call(`POST ${v3}/domains`, { body: { domain: { name: 'second' } } })
  const domain_id = d.body.domain.id
  for (const [path, body] of [
    ['users', { user: { name: 'twin' } }],
    ['projects', { project: { name: 'twin' } }],
    ['domains', { domain: { name: 'twin' } }],
    ['roles', { role: { name: 'twin' } }],
  ] as const) {
    assert.equal((await bed.call(`POST ${v3}/${path}`, { body })).status, 201, path)
    const again = await bed.call(`POST ${v3}/${path}`, { body })
    assert.equal(again.status, 409, path)
    assert.equal(again.body.error.title, 'Conflict')
  }
  assert.equal(
    (await bed.call(`POST ${v3}/users`, { body: { user: { name: 'twin', domain_id } } })).status,
    201,
  )
  assert.equal(
    (await bed.call(`POST ${v3}/projects`, { body: { project: { name: 'twin', domain_id } } })).status,
    201,
  )
  const users = await bed.call(`GET ${v3}/users?name=twin`)
  const elsewhere = users.body.users.find((one: { domain_id: string }) => one.domain_id === domain_id)
  assert.equal(
    (await bed.call(`PATCH ${v3}/users/${elsewhere.id}`, { body: { user: { domain_id: 'default' } } }))
      .status,
    400,
  )
})

test('projects: create, show, change, delete, and no trees', async () => {
  const created = await bed.call(`POST ${v3}/projects`, {
    body: { project: { name: 'p', description: 'd', tags: ['a'] } },
  })
  assert.equal(created.status, 201)
  const { project } = created.body
  assert.deepEqual(
    { ...project, id: '', links: {} },
    {
      id: '',
      name: 'p',
      domain_id: 'default',
      parent_id: 'default',
      description: 'd',
      enabled: true,
      is_domain: false,
      tags: ['a'],
      options: {},
      links: {},
    },
  )
  const changed = await bed.call(`PATCH ${v3}/projects/${project.id}`, {
    body: { project: { name: 'q', enabled: false } },
  })
  assert.equal(changed.body.project.name, 'q')
  assert.equal(changed.body.project.enabled, false)
  const listed = await bed.call(`GET ${v3}/projects?enabled=0&name=q&domain_id=default`)
  assert.equal(listed.body.projects.length, 1)
  assert.equal(listed.body.links.next, null)
  assert.equal(
    (await bed.call(`POST ${v3}/projects`, { body: { project: { name: 'child', parent_id: project.id } } }))
      .status,
    400,
  )
  assert.equal(
    (
      await bed.call(`POST ${v3}/projects`, {
        body: { project: { name: 'child', domain_id: 'default', parent_id: project.id } },
      })
    ).status,
    400,
  )
  assert.equal(
    (await bed.call(`POST ${v3}/projects`, { body: { project: { name: 'child', is_domain: true } } })).status,
    400,
  )
  assert.equal((await bed.call(`DELETE ${v3}/projects/${project.id}`)).status, 204)
  assert.equal((await bed.call(`GET ${v3}/projects/${project.id}`)).status, 404)
})

test('a domain goes with all that is in it, once it is disabled', async () => {
  const { domain } = (await bed.call(`POST ${v3}/domains`, { body: { domain: { name: 'going' } } })).body
  const inside = { domain_id: domain.id, name: 'inside' }
  const { user } = (await bed.call(`POST ${v3}/users`, { body: { user: inside } })).body
  const { project } = (await bed.call(`POST ${v3}/projects`, { body: { project: inside } })).body
  await bed.call(`PUT ${v3}/projects/${project.id}/users/${user.id}/roles/${await roleId('member')}`)
  assert.equal((await bed.call(`DELETE ${v3}/domains/${domain.id}`)).status, 403)
  assert.equal(
    (await bed.call(`PATCH ${v3}/domains/${domain.id}`, { body: { domain: { enabled: false } } })).status,
    200,
  )
  assert.equal((await bed.call(`DELETE ${v3}/domains/${domain.id}`)).status, 204)
  assert.equal((await bed.call(`GET ${v3}/users/${user.id}`)).status, 404)
  assert.equal((await bed.call(`GET ${v3}/projects/${project.id}`)).status, 404)
  assert.equal((await bed.call(`DELETE ${v3}/domains/default`)).status, 403)
  assert.equal(
    (await bed.call(`PATCH ${v3}/domains/default`, { body: { domain: { enabled: false } } })).status,
    403,
  )
})

test('roles that policies know stay; others come and go', async () => {
  const { body } = await bed.call(`GET ${v3}/roles`)
  const names = body.roles.map((role: { name: string }) => role.name)
  for (const name of ['admin', 'manager', 'member', 'reader', 'service'])
    assert.ok(names.includes(name), name)
  const member = await roleId('member')
  assert.equal((await bed.call(`DELETE ${v3}/roles/${member}`)).status, 403)
  assert.equal((await bed.call(`PATCH ${v3}/roles/${member}`, { body: { role: { name: 'x' } } })).status, 403)
  const { role } = (await bed.call(`POST ${v3}/roles`, { body: { role: { name: 'gardener' } } })).body
  const them = await bed.newcomer('gardener', 'gardener')
  assert.equal(
    (await bed.call('GET /image/v2/images', { token: them.token })).status,
    403,
    'a role without policies',
  )
  assert.equal((await bed.call(`DELETE ${v3}/roles/${role.id}`)).status, 204)
  assert.equal(
    (await bed.call('GET /image/v2/images', { token: them.token })).status,
    401,
    'nothing is left of it',
  )
  const implied = await bed.call(`GET ${v3}/roles/${await roleId('manager')}/implies`)
  assert.deepEqual(
    implied.body.role_inference.implies.map((one: { name: string }) => one.name),
    ['member', 'reader'],
  )
})

test('roles are given, asked for and taken, on projects, domains and the system', async () => {
  const { userId, projectId } = await bed.newcomer('holder', 'reader')
  const member = await roleId('member')
  for (const on of [`projects/${projectId}`, 'domains/default', 'system']) {
    const path = `${v3}/${on}/users/${userId}/roles`
    assert.equal((await bed.call(`HEAD ${path}/${member}`)).status, 404, on)
    assert.equal((await bed.call(`PUT ${path}/${member}`)).status, 204, on)
    assert.equal((await bed.call(`PUT ${path}/${member}`)).status, 204, `${on}, again`)
    assert.equal((await bed.call(`HEAD ${path}/${member}`)).status, 204, on)
    assert.equal((await bed.call(`GET ${path}/${member}`)).status, 204, on)
    const held = (await bed.call(`GET ${path}`)).body.roles.map((role: { id: string }) => role.id)
    assert.ok(held.includes(member), on)
    assert.equal((await bed.call(`DELETE ${path}/${member}`)).status, 204, on)
    assert.equal((await bed.call(`DELETE ${path}/${member}`)).status, 404, on)
  }
  const nothing = 'f'.repeat(32)
  for (const path of [
    `projects/${nothing}/users/${userId}/roles/${member}`,
    `projects/${projectId}/users/${nothing}/roles/${member}`,
    `projects/${projectId}/users/${userId}/roles/${nothing}`,
    `domains/${nothing}/users/${userId}/roles/${member}`,
  ])
    assert.equal((await bed.call(`PUT ${v3}/${path}`)).status, 404, path)
})

test('role assignments by who, where and what; with names, and with what they imply', async () => {
  const { userId, projectId } = await bed.newcomer('listed', 'member')
  const list = async (query: string) =>
    (await bed.call(`GET ${v3}/role_assignments?${query}`)).body.role_assignments
  assert.deepEqual(
    (await list(`user.id=${userId}&include_names`)).map((one: { links: object }) => ({ ...one, links: {} })),
    [
      {
        scope: {
          project: { id: projectId, name: 'listed-project', domain: { id: 'default', name: 'Default' } },
        },
        role: { id: await roleId('member'), name: 'member' },
        user: { id: userId, name: 'listed', domain: { id: 'default', name: 'Default' } },
        links: {},
      },
    ],
  )
  assert.deepEqual((await list(`user.id=${userId}`))[0].user, { id: userId })
  assert.equal((await list(`scope.project.id=${projectId}&effective`)).length, 2)
  assert.equal((await list(`user.id=${userId}&effective&role.id=${await roleId('reader')}`)).length, 1)
  assert.equal((await list(`user.id=${userId}&role.id=${await roleId('reader')}`)).length, 0)
  assert.equal((await list(`user.id=${userId}&scope.system=all`)).length, 0)
  assert.equal((await list('scope.system=all')).length, 1)
  assert.equal((await list('scope.domain.id=default')).length, 0)
  assert.equal((await list('group.id=x')).length, 0)
})

test('people see and change themselves, and no one else', async () => {
  const me = await bed.newcomer('selfish', 'manager')
  const other = await bed.newcomer('other', 'member')
  const status = async (what: string, options = {}) =>
    (await bed.call(what, { token: me.token, ...options })).status
  assert.equal(await status(`GET ${v3}/users/${me.userId}`), 200)
  assert.equal(await status(`GET ${v3}/users/${me.userId}/projects`), 200)
  assert.equal(await status(`GET ${v3}/users/${me.userId}/groups`), 200)
  assert.equal(await status(`GET ${v3}/projects/${me.projectId}`), 200)
  assert.equal(await status(`GET ${v3}/role_assignments?user.id=${me.userId}`), 200)
  assert.equal(await status(`GET ${v3}/regions`), 200)
  assert.equal(await status(`GET ${v3}/domains/default`), 200, "its project's")
  for (const forbidden of [
    `GET ${v3}/users`,
    `GET ${v3}/users/${other.userId}`,
    `GET ${v3}/users/${other.userId}/projects`,
    `GET ${v3}/projects`,
    `GET ${v3}/projects/${other.projectId}`,
    `GET ${v3}/domains`,
    `GET ${v3}/domains/another`,
    `GET ${v3}/roles`,
    `GET ${v3}/role_assignments`,
    `GET ${v3}/role_assignments?user.id=${other.userId}`,
    `GET ${v3}/services`,
    `GET ${v3}/endpoints`,
    `GET ${v3}/groups`,
    `DELETE ${v3}/users/${me.userId}`,
    `DELETE ${v3}/projects/${me.projectId}`,
    `PUT ${v3}/projects/${me.projectId}/users/${me.userId}/roles/${await roleId('admin')}`,
  ])
    assert.equal(await status(forbidden), 403, forbidden)
  assert.equal(await status(`PATCH ${v3}/users/${me.userId}`, { body: { user: { enabled: true } } }), 403)
  assert.equal(await status(`POST ${v3}/users`, { body: { user: { name: 'x' } } }), 403)
  const refused = await bed.call(`GET ${v3}/users`, { token: me.token })
  assert.equal(
    refused.body.error.message,
    'You are not authorized to perform the requested action: identity:list_users.',
  )
})

test('who knows a password can change it, and logs in anew', async () => {
  const me = await bed.newcomer('changer', 'member')
  const change = (userId: string, original_password: string, password: string) =>
    bed.call(`POST ${v3}/users/${userId}/password`, {
      token: me.token,
      body: { user: { original_password, password } },
    })
  const other = await bed.newcomer('bystander', 'member')
  assert.equal((await change(other.userId, 'guess', 'mine')).status, 401)
  assert.equal((await change('nobody', 'guess', 'mine')).status, 401)
  assert.equal((await change(me.userId, 'guess', 'new')).status, 401)
  assert.equal((await change(me.userId, newcomerPassword, '')).status, 400)
  assert.equal((await change(me.userId, newcomerPassword, 'new')).status, 204)
  assert.equal((await bed.call(`GET ${v3}/users/${me.userId}`, { token: me.token })).status, 401)
  assert.equal((await bed.login('changer', newcomerPassword)).status, 401)
  assert.equal((await bed.login('changer', 'new')).status, 201)
})

test('a user without a password cannot log in', async () => {
  await bed.call(`POST ${v3}/users`, { body: { user: { name: 'mute' } } })
  assert.equal((await bed.login('mute', '')).status, 401)
})

test('the catalog can be read as services, endpoints and regions', async () => {
  const services = (await bed.call(`GET ${v3}/services`)).body.services
  assert.equal(services.length, 4)
  const compute = (await bed.call(`GET ${v3}/services?type=compute`)).body.services[0]
  assert.equal(compute.name, 'nova')
  assert.deepEqual((await bed.call(`GET ${v3}/services/${compute.id}`)).body.service, compute)
  const endpoints = await bed.call(`GET ${v3}/endpoints?service_id=${compute.id}&interface=public`)
  assert.equal(endpoints.body.endpoints.length, 1)
  const [endpoint] = endpoints.body.endpoints
  assert.deepEqual((await bed.call(`GET ${v3}/endpoints/${endpoint.id}`)).body.endpoint, endpoint)
  assert.equal((await bed.call(`GET ${v3}/regions/RegionOne`)).body.region.id, 'RegionOne')
  for (const path of ['services/x', 'endpoints/x', 'regions/x', 'groups/x'])
    assert.equal((await bed.call(`GET ${v3}/${path}`)).status, 404, path)
})

test('bad input is answered with what is wrong with it', async () => {
  for (const [what, body] of [
    [`POST ${v3}/users`, {}],
    [`POST ${v3}/users`, { user: {} }],
    [`POST ${v3}/users`, { user: { name: '' } }],
    [`POST ${v3}/users`, { user: { name: '   ' } }],
    [`POST ${v3}/users`, { user: { name: 'x'.repeat(256) } }],
    [`POST ${v3}/users`, { user: { name: 'x', enabled: 'yes' } }],
    [`POST ${v3}/users`, { user: { name: 'x', password: 'x'.repeat(4097) } }],
    [`POST ${v3}/users`, { user: [] }],
    [`POST ${v3}/projects`, { project: { name: 'x'.repeat(65) } }],
    [`POST ${v3}/projects`, { project: { name: 'x', tags: 'a' } }],
    [`POST ${v3}/domains`, { domain: { name: 5 } }],
    [`POST ${v3}/roles`, { role: { name: 'x', domain_id: 'default' } }],
  ] as const) {
    const answer = await bed.call(what, { body })
    assert.equal(answer.status, 400, JSON.stringify(body).slice(0, 100))
    assert.ok(answer.body.error.message.length > 0)
  }
  assert.equal(
    (await bed.call(`POST ${v3}/users`, { body: { user: { name: 'x', domain_id: 'nowhere' } } })).status,
    404,
  )
})

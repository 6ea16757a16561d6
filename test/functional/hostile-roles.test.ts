/** Who gets where: each row of the route tables with each role, and other people's things. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { defaultConfig } from '../../src/base/config.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { startUp, type LodgeUp } from '../../src/daemon/up.ts'
import { rowName, rowPath, rows, type Row } from '../support/api-tables.ts'
import { assertFault } from '../support/fault-shape.ts'
import { freePort } from '../support/free-port.ts'
import { login, loginAs, type OpenStackApi } from '../support/openstack-api.ts'
import { addPerson, type Person } from '../support/people.ts'
import { until } from '../support/until.ts'

const directory = mkdtempSync(join(tmpdir(), 'lodge-roles-'))
let lodge: LodgeUp
let admin: OpenStackApi
/** Each with a project of their own; `owner` has a server, an image, a key pair and a private flavor. */
let people: Record<'reader' | 'member' | 'admin', Person>
let owner: Person
let ids: { server: string; image: string; flavor: string }

before(async () => {
  lodge = await startAt(join(directory, 'state'))
  admin = await login(lodge.cloudsFile, lodge.url)
  owner = await addPerson(admin, 'owner', 'member')
  people = {
    reader: await addPerson(admin, 'reader', 'reader'),
    member: await addPerson(admin, 'member', 'member'),
    admin: await addPerson(admin, 'other admin', 'admin'),
  }
  ids = await makeThings()
})

after(async () => {
  await lodge?.stop()
  rmSync(directory, { recursive: true, force: true })
})

async function startAt(
  stateDirectory: string,
  api: Partial<typeof defaultConfig.api> = {},
): Promise<LodgeUp> {
  const config = {
    ...defaultConfig,
    stateDirectory,
    listen: { host: '127.0.0.1', port: await freePort() },
    simulate: { ...defaultConfig.simulate, hosts: 1 },
    api: { ...defaultConfig.api, ...api },
  }
  return startUp({ config, log: silentLogger() })
}

async function makeThings(): Promise<typeof ids> {
  const flavor = { name: 'private', vcpus: 1, ram: 64, disk: 1, 'os-flavor-access:is_public': false }
  const flavorId = (await admin.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  await admin.must('POST', `/compute/v2.1/flavors/${flavorId}/action`, {
    addTenantAccess: { tenant: owner.projectId },
  })
  const wanted = { name: 'image', disk_format: 'raw', container_format: 'bare', visibility: 'private' }
  const image = (await owner.must('POST', '/image/v2/images', wanted)).body
  await owner.must('PUT', `/image/v2/images/${image.id}/file`, Buffer.alloc(4096, 7))
  const public_key = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me'
  await owner.must('POST', '/compute/v2.1/os-keypairs', { keypair: { name: 'key', public_key } })
  const asked = {
    name: 'mine',
    flavorRef: flavorId,
    imageRef: image.id,
    networks: 'none',
    metadata: { key: 'secret' },
    tags: ['tag'],
  }
  const { server } = (await owner.must('POST', '/compute/v2.1/servers', { server: asked })).body
  await until('the server to become ACTIVE', 20_000, async () => {
    const shown = await owner.must('GET', `/compute/v2.1/servers/${server.id}`)
    return shown.body.server.status === 'ACTIVE'
  })
  return { server: server.id, image: image.id, flavor: flavorId }
}

const ranks = ['none', 'any', 'reader', 'member', 'manager', 'admin', 'service']
const nobodys = '00000000-0000-4000-8000-000000000000'

/** The microversion at which a row exists. */
const versionOf = ({ min, max }: Row): string => `compute 2.${max ?? Math.max(min ?? 1, 96)}`

async function ask(row: Row, token: string | undefined, path = rowPath(row, () => nobodys)) {
  const answer = await fetch(lodge.url + path, {
    method: row.method,
    headers: {
      ...(token !== undefined && { 'x-auth-token': token }),
      'openstack-api-version': versionOf(row),
      'content-type': 'application/json',
    },
    body: row.action === undefined ? undefined : JSON.stringify({ [row.action]: null }),
  })
  const text = await answer.text()
  const body: unknown =
    /json/.test(answer.headers.get('content-type') ?? '') && text ? JSON.parse(text) : text
  return { status: answer.status, body }
}

test('every route but the login wants a valid token', async () => {
  for (const row of rows) {
    for (const token of [undefined, '', 'made-up']) {
      const { status, body } = await ask(row, token)
      if (row.service === 'identity' && row.role === 'none') assert.notEqual(status, 401, rowName(row))
      else assert.equal(status, 401, `${rowName(row)} with the token ${token}`)
      if (status === 401 && row.method !== 'HEAD') assertFault(row.service, 401, body, rowName(row))
    }
  }
})

for (const role of ['reader', 'member', 'admin'] as const)
  test(`role ${role} passes the rows of that role and below, and no others`, async () => {
    for (const row of rows) {
      const { status, body } = await ask(row, people[role].token)
      const what = `${rowName(row)}, for ${row.role}, answered ${status} ${JSON.stringify(body)}`
      const passes = role === 'admin' || ranks.indexOf(row.role) <= ranks.indexOf(role)
      if (!passes) {
        assert.equal(status, 403, what)
        if (row.method !== 'HEAD') assertFault(row.service, 403, body, what)
        continue
      }
      assert.notEqual(status, 401, what)
      assert.ok(status < 500 || status === 501, what)
      // Of others' things a row may still say no, in its own words.
      if (status === 403) assert.ok(role !== 'admin' || row.path.endsWith('/password'), what)
    }
  })

test('a token without a project passes no row that wants a role', async () => {
  const token = await unscopedToken(people.member)
  for (const row of rows.filter((one) => one.service !== 'identity')) {
    const { status, body } = await ask(row, token)
    const what = `${rowName(row)} answered ${status} ${JSON.stringify(body)}`
    if (ranks.indexOf(row.role) >= ranks.indexOf('reader')) assert.equal(status, 403, what)
    else assert.ok(status !== 401 && (status < 500 || status === 501), what)
  }
})

test('another project’s server is not there, whatever is asked of it', async () => {
  const onServers = rows.filter(
    (row) =>
      row.service === 'compute' &&
      row.path.startsWith('/servers/:') &&
      !row.summary.startsWith('Gone') &&
      ranks.indexOf(row.role) <= ranks.indexOf('member'),
  )
  assert.ok(onServers.length > 30)
  const before = await owner.must('GET', `/compute/v2.1/servers/${ids.server}`)
  for (const row of onServers) {
    const path = rowPath(row, (name) =>
      name === 'server_id' || row.path === `/servers/:${name}` || row.path.startsWith(`/servers/:${name}/`)
        ? ids.server
        : ({ key: 'key', tag: 'tag' }[name] ?? nobodys),
    )
    const { status, body } = await people.member.call(row.method, path, bodyFor(row), {
      'openstack-api-version': versionOf(row),
    })
    assert.equal(status, 404, `${rowName(row)}: ${status} ${JSON.stringify(body)}`)
    assert.doesNotMatch(JSON.stringify(body), /secret|mine/)
  }
  const after = await owner.must('GET', `/compute/v2.1/servers/${ids.server}`)
  assert.deepEqual(after.body, before.body)
})

/** A body that a row's schema lets pass, so that the answer is about the server. */
function bodyFor({ method, path, action }: Row): unknown {
  if (action !== undefined) {
    const values: Record<string, unknown> = {
      reboot: { type: 'HARD' },
      resize: { flavorRef: nobodys },
      createImage: { name: 'stolen' },
      createBackup: { name: 'stolen', backup_type: 'daily', rotation: 1 },
      rebuild: { imageRef: nobodys },
      'os-resetState': { state: 'error' },
      'os-getConsoleOutput': {},
    }
    return { [action]: values[action] ?? null }
  }
  if (method !== 'PUT' && method !== 'POST') return undefined
  if (path.endsWith('/metadata')) return { metadata: { key: 'theirs' } }
  if (path.endsWith('/metadata/:key')) return { meta: { key: 'theirs' } }
  if (path.endsWith('/tags')) return { tags: ['theirs'] }
  if (path.endsWith('/tags/:tag')) return undefined
  return { server: { name: 'theirs' } }
}

test('nor are another project’s image, key pair and flavor', async () => {
  const { member } = people
  const image = `/image/v2/images/${ids.image}`
  const patch = { 'content-type': 'application/openstack-images-v2.1-json-patch' }
  const cases: [string, string, unknown?, Record<string, string>?][] = [
    ['GET', image],
    ['DELETE', image],
    ['PATCH', image, [{ op: 'replace', path: '/visibility', value: 'public' }], patch],
    ['PUT', `${image}/file`, Buffer.from('theirs')],
    ['GET', `${image}/file`],
    ['PUT', `${image}/tags/theirs`],
    ['DELETE', `${image}/tags/theirs`],
    ['GET', `${image}/members`],
    ['POST', `${image}/import`, {}],
    ['GET', '/compute/v2.1/os-keypairs/key'],
    ['DELETE', '/compute/v2.1/os-keypairs/key'],
    ['GET', `/compute/v2.1/flavors/${ids.flavor}`],
    ['GET', `/compute/v2.1/flavors/${ids.flavor}/os-extra_specs`],
  ]
  for (const [method, path, body, headers] of cases) {
    const answer = await member.call(method, path, body, headers)
    assert.equal(answer.status, 404, `${method} ${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  }
  const old = { 'openstack-api-version': 'compute 2.1' }
  assert.equal((await member.call('GET', `/compute/v2.1/images/${ids.image}`, undefined, old)).status, 404)
  for (const stolen of [
    { flavorRef: ids.flavor, imageRef: ids.image },
    { flavorRef: ids.flavor, imageRef: ids.image, key_name: 'key' },
  ]) {
    const server = { name: 's', networks: 'none', ...stolen }
    const answer = await member.call('POST', '/compute/v2.1/servers', { server })
    assert.equal(answer.status, 400, JSON.stringify(answer.body))
  }
  for (const query of [`?user_id=${owner.userId}`, `/key?user_id=${owner.userId}`])
    assert.equal((await member.call('GET', `/compute/v2.1/os-keypairs${query}`)).status, 403)
})

test('lists hold nothing of other projects, whatever is asked for', async () => {
  const { member } = people
  for (const query of [
    '',
    '?all_tenants=0',
    `?tenant_id=${owner.projectId}`,
    `?project_id=${owner.projectId}`,
    `?user_id=${owner.userId}`,
    `?uuid=${ids.server}`,
    '?name=mine',
    '?host=simulated-1',
    '?deleted=1',
  ])
    for (const path of ['/compute/v2.1/servers', '/compute/v2.1/servers/detail']) {
      const { status, body } = await member.call('GET', path + query)
      if (status !== 200) assert.ok(status === 403 || status === 400, `${path}${query}: ${status}`)
      else assert.deepEqual(body.servers, [], path + query)
    }
  assert.equal((await member.call('GET', '/compute/v2.1/servers?all_tenants=1')).status, 403)
  for (const query of [
    '',
    `?owner=${owner.projectId}`,
    '?visibility=private',
    '?visibility=all',
    '?os_hidden=true',
  ])
    assert.deepEqual((await member.must('GET', `/image/v2/images${query}`)).body.images, [], query)
  const flavors = (await member.must('GET', '/compute/v2.1/flavors?is_public=None')).body.flavors
  assert.deepEqual(flavors, [])
  for (const path of ['os-quota-sets', 'os-simple-tenant-usage'])
    assert.equal((await member.call('GET', `/compute/v2.1/${path}/${owner.projectId}`)).status, 403)
  for (const path of [
    `projects/${owner.projectId}`,
    `users/${owner.userId}`,
    `users/${owner.userId}/projects`,
  ])
    assert.equal((await member.call('GET', `/identity/v3/${path}`)).status, 403)
})

test('the project of the URL must be the token’s, on every route (CVE-2012-0030)', async () => {
  for (const row of rows.filter((one) => one.service === 'compute')) {
    const path = rowPath(row, () => nobodys).replace('/v2.1/', `/v2.1/${owner.projectId}/`)
    const { status } = await ask(row, people.admin.token, path)
    assert.equal(status, 400, `${rowName(row)} in another project`)
  }
})

test('nobody raises themselves', async () => {
  const { member } = people
  const { roles } = (await admin.must('GET', '/identity/v3/roles?name=admin')).body
  const own = `/identity/v3/projects/${member.projectId}/users/${member.userId}/roles/${roles[0].id}`
  assert.equal((await member.call('PUT', own)).status, 403)
  assert.equal(
    (await member.call('PATCH', `/identity/v3/users/${member.userId}`, { user: { name: 'root' } })).status,
    403,
  )
  await assert.rejects(
    loginAs({ user: 'member', password: member.password, project: 'owner' }, lodge.url),
    /login answered 401/,
  )
})

test('a token ends when it is revoked, when its user is disabled, when the role is taken, and by its age', async () => {
  const works = async ({ token }: { token: string }): Promise<boolean> => {
    const answer = await fetch(`${lodge.url}/compute/v2.1/servers`, { headers: { 'x-auth-token': token } })
    assert.ok(answer.status === 200 || answer.status === 401)
    return answer.status === 200
  }
  const revoked = await addPerson(admin, 'revoked', 'member')
  assert.ok(await works(revoked))
  await admin.must('DELETE', '/identity/v3/auth/tokens', undefined, { 'x-subject-token': revoked.token })
  assert.equal(await works(revoked), false)

  const disabled = await addPerson(admin, 'disabled', 'member')
  assert.ok(await works(disabled))
  await admin.must('PATCH', `/identity/v3/users/${disabled.userId}`, { user: { enabled: false } })
  assert.equal(await works(disabled), false)

  const robbed = await addPerson(admin, 'robbed', 'member')
  assert.ok(await works(robbed))
  const { roles } = (await admin.must('GET', '/identity/v3/roles?name=member')).body
  await admin.must(
    'DELETE',
    `/identity/v3/projects/${robbed.projectId}/users/${robbed.userId}/roles/${roles[0].id}`,
  )
  assert.equal(await works(robbed), false)

  const brief = await startAt(join(directory, 'brief'), { tokenHours: 1 / 3600 })
  try {
    const guest = await login(brief.cloudsFile, brief.url)
    assert.equal((await guest.call('GET', '/compute/v2.1/servers')).status, 200)
    await delay(1100)
    assert.equal((await guest.call('GET', '/compute/v2.1/servers')).status, 401)
  } finally {
    await brief.stop()
  }
})

async function unscopedToken({ userId, password }: Person): Promise<string> {
  const answer = await fetch(`${lodge.url}/identity/v3/auth/tokens`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({
      auth: {
        identity: { methods: ['password'], password: { user: { id: userId, password } } },
        scope: 'unscoped',
      },
    }),
  })
  return answer.headers.get('x-subject-token')!
}

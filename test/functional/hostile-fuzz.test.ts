/** Every row of every route table against random requests, over HTTP, in a process of its own. */
import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import {
  array,
  assert as check,
  asyncProperty,
  constantFrom,
  dictionary,
  oneof,
  record,
  type Arbitrary,
} from 'fast-check'
import { rowName, rowPath, rows, type Row } from '../support/api-tables.ts'
import { assertFault } from '../support/fault-shape.ts'
import { freePort } from '../support/free-port.ts'
import { startLodge, type LodgeProcess } from '../support/lodge-process.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { addPerson } from '../support/people.ts'
import { jsonOf, nastyString, nastyValue, nearly } from '../support/schema-arbitrary.ts'

/** Of all rows together; a row's share ends when its time is over. */
const runsPerRow = 24
const millisecondsPerRow = 1500
/** These hash a password for each request. */
const slow = /POST \S*\/(auth\/tokens|users|users\/:id\/password)$|PATCH \S*\/users/

const directory = mkdtempSync(join(tmpdir(), 'lodge-fuzz-'))
let lodge: LodgeProcess
let api: OpenStackApi
/** Things that may be broken: none of them keeps the administrator from going on. */
let ids: Record<string, string>

before(async () => {
  lodge = await startLodge({
    state: join(directory, 'state'),
    port: await freePort(),
    flags: ['--simulate', '1'],
  })
  api = await login(lodge.cloudsFile, lodge.url)
})

after(async () => {
  assert.equal(await lodge?.stop(), 0)
  rmSync(directory, { recursive: true, force: true })
})

async function makeThings(name: string): Promise<Record<string, string>> {
  const unlimited = { instances: -1, cores: -1, ram: -1 }
  await api.must('PUT', `/compute/v2.1/os-quota-sets/${api.projectId}`, { quota_set: unlimited })
  const victim = await addPerson(api, `victim-${name}`, 'member')
  const flavor = { name, vcpus: 1, ram: 64, disk: 1, id: name }
  await api.must('POST', '/compute/v2.1/flavors', { flavor })
  const wanted = { name: 'image', disk_format: 'raw', container_format: 'bare', visibility: 'public' }
  const image = (await api.must('POST', '/image/v2/images', wanted)).body
  await api.must('PUT', `/image/v2/images/${image.id}/file`, Buffer.alloc(4096, 7))
  const server = { name: 'server', flavorRef: name, imageRef: image.id, networks: 'none' }
  const made = (await api.must('POST', '/compute/v2.1/servers', { server })).body.server
  const role = (await api.must('POST', '/identity/v3/roles', { role: { name: `fool-${name}` } })).body.role
  const domain = (await api.must('POST', '/identity/v3/domains', { domain: { name: `elsewhere-${name}` } }))
    .body.domain
  return {
    server: made.id,
    image: image.id,
    flavor: name,
    user: victim.userId,
    project: victim.projectId,
    role: role.id,
    domain: domain.id,
  }
}

/** Rows that delete go last, so that the others have something to work on. */
const inOrder = rows.toSorted((a, b) => Number(a.method === 'DELETE') - Number(b.method === 'DELETE'))

for (const service of ['compute', 'identity', 'image', 'network'] as const)
  test(`${service}: whatever is sent, the answer is no 5xx and every fault has its form`, async () => {
    ids = await makeThings(service)
    for (const row of inOrder.filter((candidate) => candidate.service === service)) {
      const numRuns = slow.test(rowName(row)) ? 6 : row.summary.startsWith('Gone') ? 2 : runsPerRow
      await check(
        asyncProperty(
          pathOf(row),
          queryOf(row),
          bodyOf(row),
          constantFrom('latest', 'latest', 'latest', '2.1', '2.50'),
          (...parts) => send(row, ...parts),
        ),
        { numRuns, interruptAfterTimeLimit: millisecondsPerRow, endOnFailure: true },
      )
    }
  })

test('after all that it still runs, and nothing failed inside', async () => {
  assert.equal((await api.call('GET', '/compute/v2.1/servers/detail?all_tenants=1')).status, 200)
  const log = readFileSync(lodge.logFile, 'utf8')
  assert.deepEqual(
    log.split('\n').filter((line) => /failed inside|unhandled|uncaught|"level":(50|60)/i.test(line)),
    [],
  )
})

async function send(row: Row, path: string, query: string, body: string | undefined, version: string) {
  const answer = await fetch(lodge.url + path + query, {
    method: row.method,
    headers: {
      'x-auth-token': api.token,
      'openstack-api-version': `compute ${version}`,
      ...(body !== undefined && {
        'content-type': contentType(row),
      }),
    },
    body,
    redirect: 'manual',
    signal: AbortSignal.timeout(10_000),
  })
  const text = await answer.text()
  const what = `${row.method} ${path}${query} ${version} ${body}`
  assert.match(answer.headers.get('x-openstack-request-id') ?? '', /^req-/, what)
  assert.equal(answer.headers.get('x-injected'), null, what)
  // What a host of libvirt cannot do at all.
  if (answer.status === 501 && row.path.startsWith('/os-hosts')) return
  assert.ok(answer.status < 500, `${what}: ${answer.status} ${text}`)
  if (answer.status < 400 || row.method === 'HEAD' || answer.status === 416) return
  assertFault(row.service, answer.status, JSON.parse(text), what)
}

function contentType({ rawBody, path }: Row): string {
  if (path === '/images/:id') return 'application/openstack-images-v2.1-json-patch'
  return rawBody ? 'application/octet-stream' : 'application/json'
}

function pathOf(row: Row): Arbitrary<string> {
  const nasty = nastyString.map((text) => encodeURIComponent(text.toWellFormed()) || '-')
  const parts = constantFrom('real', 'real', 'real', 'absent', 'nasty')
  // One nasty value fills every parameter of a path: what matters is that it is nasty.
  return oneof({ weight: 1, arbitrary: parts }).chain((kind) =>
    nasty.map((text) =>
      rowPath(row, (parameter) => {
        if (kind === 'nasty') return text
        return kind === 'absent' ? crypto.randomUUID() : realId(row, parameter)
      }),
    ),
  )
}

/** The thing that a path's parameter names: `:server_id`, or `:id` behind `/servers`. */
function realId(row: Row, parameter: string): string {
  const before = row.path.slice(0, row.path.indexOf(`:${parameter}`))
  const noun = parameter === 'id' ? (before.split('/').at(-2) ?? '') : parameter
  const kind = Object.keys(kinds).find((word) => noun.startsWith(word))
  return ids[kind === undefined ? 'project' : kinds[kind]!] ?? 'x'
}

const kinds: Record<string, string> = {
  server: 'server',
  image: 'image',
  flavor: 'flavor',
  user: 'user',
  project: 'project',
  role: 'role',
  domain: 'domain',
}

function queryOf(row: Row): Arbitrary<string> {
  const schema = row.query?.at(-1)?.schema['properties'] as Record<string, unknown> | undefined
  const keys = [...Object.keys(schema ?? {}), 'limit', 'marker', 'sort_key', 'sort_dir', 'name']
  const values = oneof(
    constantFrom('0', '1', 'asc', 'name', 'id', 'in:a,b', 'gt:2026-01-01T00:00:00Z'),
    nastyString,
  )
  return dictionary(
    oneof({ weight: 5, arbitrary: constantFrom(...keys) }, { weight: 1, arbitrary: nastyString }),
    values,
    {
      maxKeys: 3,
    },
  ).map((query) => {
    const text = new URLSearchParams(
      Object.entries(query).map(([key, value]): [string, string] => [
        key.toWellFormed(),
        value.toWellFormed(),
      ]),
    )
    return text.size === 0 ? '' : `?${text}`
  })
}

function bodyOf(row: Row): Arbitrary<string | undefined> {
  if (row.method === 'GET' || row.method === 'HEAD') return constantFrom(undefined)
  const schema = row.body?.at(-1)?.schema
  const value = row.path === '/images/:id' ? patch : schema ? nearly(schema, hints()) : nastyValue
  const json = value.map((inner) => jsonOf(row.action === undefined ? inner : { [row.action]: inner }))
  return oneof(
    { weight: 12, arbitrary: json },
    { weight: 1, arbitrary: nastyValue.map(jsonOf) },
    { weight: 1, arbitrary: nastyString.map((text) => text.toWellFormed()) },
  )
}

/** What makes it likely that a request is taken. */
const hints = (): Record<string, unknown> => ({
  imageRef: ids['image'],
  flavorRef: ids['flavor'],
  networks: 'none',
  name: 'a name',
  tenant: ids['project'],
  min_count: 1,
  max_count: 2,
  public_key: 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me',
  domain_id: 'default',
})

/** A change of an image, as Glance wants it. */
const patch = array(
  record({
    op: oneof(constantFrom('add', 'replace', 'remove'), nastyString),
    path: oneof(
      constantFrom('/name', '/tags', '/min_disk', '/os_type', '/visibility', '/__proto__'),
      nastyString,
    ),
    value: oneof(constantFrom('a', 1, ['a'], 'public'), nastyValue),
  }),
  { maxLength: 3 },
)

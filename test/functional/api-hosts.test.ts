import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ensureService } from '../../src/store/services.ts'
import { computeBed, type ComputeBed } from '../support/compute-bed.ts'

async function twoHosts(): Promise<ComputeBed> {
  const bed = await computeBed()
  await bed.addHost('alpha')
  await bed.addHost('beta')
  for (const binary of ['nova-conductor', 'nova-scheduler'] as const)
    await ensureService(bed.store.db, { binary, host: 'controller' }, bed.clock.time)
  return bed
}

const idOf = async (bed: ComputeBed, host: string, binary = 'nova-compute'): Promise<string> =>
  (await bed.call(`GET /os-services?host=${host}&binary=${binary}`)).body.services[0].id

test('hypervisors show what their hosts have and what is taken', async () => {
  await using bed = await twoHosts()
  const server = await bed.addServer({ host: 'alpha', taskState: 'rebooting' })
  const all = (await bed.call('GET /os-hypervisors/detail', { version: 87 })).body.hypervisors
  const [alpha] = all
  assert.equal(all.length, 2)
  assert.equal(alpha.hypervisor_hostname, 'alpha.example.org')
  assert.deepEqual(
    [alpha.vcpus, alpha.vcpus_used, alpha.memory_mb, alpha.memory_mb_used, alpha.free_ram_mb],
    [8, 1, 16_384, 512, 15_872],
  )
  assert.deepEqual([alpha.local_gb, alpha.disk_available_least, alpha.running_vms], [100, 90, 1])
  assert.equal(alpha.current_workload, 1)
  assert.deepEqual(alpha.cpu_info.topology, { sockets: 1, cores: 4, threads: 2 })
  assert.equal(
    typeof (await bed.call('GET /os-hypervisors/1', { version: 27 })).body.hypervisor.cpu_info,
    'string',
  )

  const shown = await bed.call(`GET /os-hypervisors/${alpha.id}?with_servers=1`)
  assert.deepEqual(shown.body.hypervisor.servers, [{ uuid: server.id, name: 'a server' }])
  assert.match(shown.body.hypervisor.uptime, / up 1 day, 2:05, /)
  assert.equal(shown.body.hypervisor.vcpus, undefined)
  const [, beta] = (await bed.call('GET /os-hypervisors?with_servers=1', { version: 74 })).body.hypervisors
  assert.equal(beta.servers, undefined)
  assert.deepEqual((await bed.call('GET /os-hypervisors?with_servers=1')).body.hypervisors[1].servers, [])
})

test('hypervisors are found by id, name and page', async () => {
  await using bed = await twoHosts()
  const status = async (path: string, version?: number) =>
    (await bed.call(`GET /os-hypervisors${path}`, { version })).status
  assert.equal(await status('/alpha'), 400)
  assert.equal(await status('/alpha', 52), 404)
  assert.equal(await status('/99', 52), 404)
  assert.equal(await status('/00000000-0000-4000-8000-000000000000'), 404)
  assert.equal(await status('?hypervisor_hostname_pattern=nothing'), 404)
  assert.equal(await status('?hypervisor_hostname_pattern=alp&limit=1'), 400)
  assert.equal(await status('?marker=nothing'), 400)
  assert.equal(await status('?unknown=1'), 400)
  assert.equal(await status('?unknown=1', 52), 200)
  assert.equal(await status('/statistics', 88), 404)
  assert.equal(await status('/nothing/search', 52), 404)
  assert.equal((await bed.call('GET /os-hypervisors', { as: 'member' })).status, 403)
  const found = await bed.call('GET /os-hypervisors?hypervisor_hostname_pattern=ALP')
  assert.equal(found.body.hypervisors[0].hypervisor_hostname, 'alpha.example.org')
  const page = await bed.call('GET /os-hypervisors?limit=1', { version: 33 })
  const next = page.body.hypervisors_links[0].href.split('/v2.1')[1]
  const rest = await bed.call(`GET ${next}`, { version: 33 })
  assert.equal(rest.body.hypervisors[0].hypervisor_hostname, 'beta.example.org')
  const sum = (await bed.call('GET /os-hypervisors/statistics', { version: 87 })).body.hypervisor_statistics
  assert.deepEqual([sum.count, sum.vcpus, sum.memory_mb], [2, 16, 32_768])
})

test('a host that is silent or forced down is down', async () => {
  await using bed = await twoHosts()
  const states = async () =>
    (await bed.call('GET /os-services')).body.services.map(({ state }: { state: string }) => state)
  assert.deepEqual(await states(), ['up', 'up', 'up', 'up'])
  const alpha = await idOf(bed, 'alpha')
  const forced = await bed.call(`PUT /os-services/${alpha}`, { body: { forced_down: true } })
  assert.equal(forced.body.service.state, 'down')
  assert.deepEqual(await states(), ['down', 'up', 'up', 'up'])
  bed.clock.time += 61_000
  assert.deepEqual(await states(), ['down', 'down', 'down', 'down'])
  const uptime = await bed.call('GET /os-hypervisors/1/uptime', { version: 52 })
  assert.equal(uptime.status, 400)
  assert.equal((await bed.call('GET /os-hypervisors/detail')).body.hypervisors[0].uptime, null)
})

test('services are filtered, disabled and enabled', async () => {
  await using bed = await twoHosts()
  const count = async (query: string) => (await bed.call(`GET /os-services?${query}`)).body.services.length
  assert.equal(await count('binary=nova-compute'), 2)
  assert.equal(await count('host=controller'), 2)
  // What python-openstackclient sends when it was given neither.
  assert.equal(await count('binary=None&host=None'), 4)
  const old = (verb: string, more: object = {}, version = 52) =>
    bed.call(`PUT /os-services/${verb}`, {
      version,
      body: { host: 'alpha', binary: 'nova-compute', ...more },
    })
  const disabled = await old('disable-log-reason', { disabled_reason: 'disk' })
  assert.deepEqual(disabled.body.service, {
    host: 'alpha',
    binary: 'nova-compute',
    status: 'disabled',
    disabled_reason: 'disk',
  })
  assert.equal((await old('disable-log-reason')).status, 400)
  assert.equal((await old('explode')).status, 404)
  assert.equal((await old('force-down', {}, 52)).status, 400)
  assert.equal((await old('force-down', {}, 10)).status, 404)
  assert.equal((await old('enable', { host: 'nowhere' })).status, 404)
  assert.equal((await old('enable', { binary: 'nova-conductor', host: 'controller' })).status, 404)
  assert.deepEqual((await old('enable')).body.service.status, 'enabled')

  const alpha = await idOf(bed, 'alpha')
  const put = (body: object, id = alpha) => bed.call(`PUT /os-services/${id}`, { body })
  const reason = await put({ status: 'disabled', disabled_reason: 'why' })
  assert.equal(reason.body.service.disabled_reason, 'why')
  assert.equal((await put({ status: 'disabled' })).body.service.disabled_reason, null)
  assert.equal((await put({})).status, 400)
  assert.equal((await put({ status: 'enabled', disabled_reason: 'why' })).status, 400)
  assert.equal((await put({ status: 'enabled' }, 'enable')).status, 400)
  assert.equal(
    (await put({ status: 'disabled' }, await idOf(bed, 'controller', 'nova-scheduler'))).status,
    400,
  )
})

test('a service with servers stays; without them its host goes with it', async () => {
  await using bed = await twoHosts()
  await bed.addServer({ host: 'alpha' })
  const alpha = await idOf(bed, 'alpha')
  const beta = await idOf(bed, 'beta')
  assert.equal((await bed.call(`DELETE /os-services/${alpha}`)).status, 409)
  assert.equal((await bed.call(`DELETE /os-services/${beta}`)).status, 204)
  assert.equal((await bed.call(`DELETE /os-services/${beta}`)).status, 404)
  assert.equal((await bed.call('DELETE /os-services/beta')).status, 400)
  assert.equal((await bed.call('DELETE /os-services/beta', { version: 52 })).status, 400)
  assert.equal((await bed.call('GET /os-hypervisors')).body.hypervisors.length, 1)
})

test('zones are available while a service in them is enabled', async () => {
  await using bed = await twoHosts()
  const list = async () =>
    (await bed.call('GET /os-availability-zone', { as: 'member' })).body.availabilityZoneInfo
  assert.deepEqual(await list(), [{ zoneName: 'nova', zoneState: { available: true }, hosts: null }])
  assert.equal((await bed.call('GET /os-availability-zone/detail', { as: 'member' })).status, 403)
  const detail = (await bed.call('GET /os-availability-zone/detail')).body.availabilityZoneInfo
  assert.deepEqual(Object.keys(detail[0].hosts.controller), ['nova-conductor', 'nova-scheduler'])
  assert.deepEqual(detail[1].hosts.alpha['nova-compute'], {
    active: true,
    available: true,
    updated_at: '2026-02-03T04:05:06.000000',
  })
  for (const host of ['alpha', 'beta'])
    await bed.call(`PUT /os-services/${await idOf(bed, host)}`, { body: { status: 'disabled' } })
  assert.deepEqual(await list(), [{ zoneName: 'nova', zoneState: { available: false }, hosts: null }])
})

test('the old view of hosts tells projects apart and refuses what libvirt hosts do not do', async () => {
  await using bed = await twoHosts()
  await bed.addServer({ host: 'alpha' })
  await bed.addServer({ host: 'alpha', projectId: 'other' })
  const call = (what: string, body?: unknown) => bed.call(what, { version: 42, body })
  const resources = (await call('GET /os-hosts/alpha')).body.host.map(
    (row: { resource: object }) => row.resource,
  )
  assert.deepEqual(resources[2], {
    host: 'alpha',
    project: '(used_max)',
    cpu: 4,
    memory_mb: 1024,
    disk_gb: 8,
  })
  assert.equal(resources.length, 5)
  assert.equal((await call('GET /os-hosts?zone=internal')).body.hosts.length, 2)
  assert.equal((await call('GET /os-hosts/alpha/reboot')).status, 501)
  assert.equal((await call('GET /os-hosts/nowhere/reboot')).status, 404)
  assert.equal((await call('PUT /os-hosts/alpha', { status: 'enable' })).status, 501)
  assert.equal((await call('PUT /os-hosts/alpha', {})).status, 400)
  assert.equal((await bed.call('GET /os-hosts', { version: 43 })).status, 404)
})

test('usage adds up the hours in the period', async () => {
  await using bed = await computeBed()
  const hour = 3_600_000
  const now = bed.clock.time
  await bed.addServer({ name: 'running', launchedAt: now - 2 * hour })
  await bed.addServer({
    name: 'gone',
    vmState: 'deleted',
    launchedAt: now - 3 * hour,
    terminatedAt: now - hour,
    deletedAt: now - hour,
  })
  await bed.addServer({ name: 'never up' })
  const iso = (ms: number) => new Date(ms).toISOString().slice(0, 23)
  const period = `start=${iso(now - 2 * hour)}&end=${iso(now)}`
  const { projectId } = await bed.addServer({ name: 'too late', launchedAt: now })
  const path = `/os-simple-tenant-usage/${projectId}`
  assert.equal((await bed.call(`GET /os-simple-tenant-usage?${period}`)).status, 200)
  assert.equal((await bed.call(`GET /os-simple-tenant-usage/?${period}`)).status, 404)
  const usage = (await bed.call(`GET ${path}?${period}`, { as: 'member' })).body.tenant_usage
  assert.equal(usage.total_hours, 3)
  assert.equal(usage.total_vcpus_usage, 6)
  assert.equal(usage.total_local_gb_usage, 12)
  assert.deepEqual(usage.server_usages.map((server: { state: string }) => server.state).sort(), [
    'active',
    'terminated',
  ])
  const page = await bed.call(`GET ${path}?${period}&limit=1`)
  assert.equal(page.body.tenant_usage.server_usages.length, 1)
  const next = page.body.tenant_usage_links[0].href.split('/v2.1')[1]
  assert.equal((await bed.call(`GET ${next}`)).body.tenant_usage.server_usages.length, 1)
  const all = (await bed.call(`GET /os-simple-tenant-usage?${period}`)).body.tenant_usages
  assert.equal(all[0].server_usages, undefined)
  assert.equal((await bed.call(`GET ${path}?${period}`, { as: 'foreigner' })).status, 403)
  assert.equal((await bed.call('GET /os-simple-tenant-usage', { as: 'member' })).status, 403)
  assert.equal((await bed.call(`GET ${path}?start=soon`)).status, 400)
  assert.equal((await bed.call(`GET ${path}?start=${iso(now)}&end=${iso(now - hour)}`)).status, 400)
})

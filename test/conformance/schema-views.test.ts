import assert from 'node:assert/strict'
import { test } from 'node:test'
import { addGroupMember } from '../../src/store/server-groups.ts'
import { computeBed, home, type ComputeBed } from '../support/compute-bed.ts'
import { holdAgainstNova, novaIsHere, type Example } from '../support/nova-contract.ts'

/**
 * What the views answer, held against Nova's own response schemas at every microversion. The schemas are no part of
 * this project: without them beside the checkout there is nothing to compare with.
 */
test(
  'views have the shapes of Nova at every microversion',
  { skip: !novaIsHere, timeout: 240_000 },
  async (t) => {
    await using bed = await computeBed()
    bed.services.config.quota.keyPairs = -1
    const things = await populate(bed)
    for (const example of [...reads(things), ...writes(things)])
      await t.test(example.route, () => holdAgainstNova(bed, example))
  },
)

interface Things {
  image: string
  /** UUID of a nova-compute. */
  service: string
  hypervisor: { number: number; id: string }
  /** An aggregate with a host, that of a zone; one without; and a server group with a server. */
  aggregate: number
  spare: number
  group: string
}

async function populate(bed: ComputeBed): Promise<Things> {
  await bed.addHost('alpha')
  await bed.addHost('beta')
  await bed.addServer({ host: 'alpha', launchedAt: bed.clock.time - 7_200_000 })
  await bed.call('POST /flavors', {
    body: { flavor: { name: 'one', id: 'one', ram: 64, vcpus: 1, disk: 0, description: 'first' } },
  })
  await bed.call('POST /flavors', {
    body: {
      flavor: { name: 'two', id: 'two', ram: 64, vcpus: 1, disk: 0, 'os-flavor-access:is_public': false },
    },
  })
  await bed.call('POST /flavors/two/action', { body: { addTenantAccess: { tenant: home.projectId } } })
  await bed.call('POST /flavors/one/os-extra_specs', { body: { extra_specs: { 'hw:cpu_policy': 'shared' } } })
  for (const name of ['key one', 'key two']) {
    const answer = await bed.call('POST /os-keypairs', { version: 91, body: { keypair: { name } } })
    assert.equal(answer.status, 201)
  }
  const newest = await bed.call('GET /os-hypervisors')
  const oldest = await bed.call('GET /os-hypervisors', { version: 1 })
  const image = await bed.addImage({
    properties: { instance_uuid: '00000000-0000-4000-8000-000000000000', auto_disk_config: 'no' },
  })
  const { body } = await bed.call('GET /os-services?binary=nova-compute')
  const aggregate = await bed.call('POST /os-aggregates', {
    body: { aggregate: { name: 'north', availability_zone: 'north' } },
  })
  await bed.call(`POST /os-aggregates/${aggregate.body.aggregate.id}/action`, {
    body: { add_host: { host: 'beta' } },
  })
  const spare = await bed.call('POST /os-aggregates', { body: { aggregate: { name: 'spare' } } })
  bed.services.config.quota.serverGroups = -1
  const group = await bed.call('POST /os-server-groups', {
    body: { server_group: { name: 'apart', policy: 'anti-affinity', rules: { max_server_per_host: 2 } } },
  })
  const member = await bed.addServer()
  await addGroupMember(bed.store.db, group.body.server_group.id, member.id)
  return {
    aggregate: aggregate.body.aggregate.id,
    spare: spare.body.aggregate.id,
    group: group.body.server_group.id,
    image: image.id,
    service: body.services[0].id,
    hypervisor: { number: oldest.body.hypervisors[0].id, id: newest.body.hypervisors[0].id },
  }
}

function reads({ hypervisor, image, aggregate, group }: Things): Example[] {
  const same = (route: string, path: string, paging: [number, string] = [200, '']) => ({
    route,
    call: (version: number) => `GET ${path}${version >= paging[0] ? paging[1] : ''}`,
  })
  const byId = (version: number) => String(version >= 53 ? hypervisor.id : hypervisor.number)
  const withServers = (version: number) => (version >= 53 ? '?with_servers=true' : '')
  return [
    same('GET /flavors', '/flavors?limit=1&is_public=None'),
    same('GET /flavors/detail', '/flavors/detail?limit=2&is_public=None'),
    same('GET /flavors/{id}', '/flavors/one'),
    same('GET /flavors/{flavor_id}/os-extra_specs', '/flavors/one/os-extra_specs'),
    same('GET /flavors/{flavor_id}/os-extra_specs/{id}', '/flavors/one/os-extra_specs/hw:cpu_policy'),
    same('GET /flavors/{flavor_id}/os-flavor-access', '/flavors/two/os-flavor-access'),
    same('GET /os-keypairs', '/os-keypairs', [35, '?limit=1']),
    same('GET /os-keypairs/{id}', '/os-keypairs/key%20one'),
    same('GET /os-quota-sets/{id}', `/os-quota-sets/${home.projectId}`),
    same('GET /os-quota-sets/{id}/detail', `/os-quota-sets/${home.projectId}/detail`),
    same('GET /os-quota-sets/{id}/defaults', `/os-quota-sets/${home.projectId}/defaults`),
    same('GET /os-quota-class-sets/{id}', '/os-quota-class-sets/default'),
    same('GET /limits', '/limits'),
    same('GET /os-services', '/os-services'),
    same('GET /os-availability-zone', '/os-availability-zone'),
    same('GET /os-availability-zone/detail', '/os-availability-zone/detail'),
    same('GET /os-hosts', '/os-hosts'),
    same('GET /os-hosts/{id}', '/os-hosts/alpha'),
    same('GET /os-aggregates', '/os-aggregates'),
    same('GET /os-aggregates/{id}', `/os-aggregates/${aggregate}`),
    same('GET /os-server-groups', '/os-server-groups'),
    same('GET /os-server-groups/{id}', `/os-server-groups/${group}`),
    same('GET /os-migrations', '/os-migrations'),
    same('GET /images', '/images?limit=1'),
    same('GET /images/detail', '/images/detail?limit=1'),
    same('GET /images/{id}', `/images/${image}`),
    same('GET /images/{image_id}/metadata', `/images/${image}/metadata`),
    same('GET /images/{image_id}/metadata/{id}', `/images/${image}/metadata/instance_uuid`),
    same('GET /extensions', '/extensions'),
    same('GET /extensions/{id}', '/extensions/os-consoles'),
    same('GET /os-simple-tenant-usage', '/os-simple-tenant-usage?start=2026-02-03T00:00:00&detailed=1'),
    same(
      'GET /os-simple-tenant-usage/{id}',
      `/os-simple-tenant-usage/${home.projectId}?start=2026-02-03T00:00:00`,
      [40, '&limit=1'],
    ),
    same('GET /os-hypervisors/statistics', '/os-hypervisors/statistics'),
    same('GET /os-hypervisors/{id}/search', '/os-hypervisors/alp/search'),
    same('GET /os-hypervisors/{id}/servers', '/os-hypervisors/example/servers'),
    {
      route: 'GET /os-hypervisors',
      call: (version) => `GET /os-hypervisors${withServers(version)}${version >= 53 ? '&limit=1' : ''}`,
    },
    {
      route: 'GET /os-hypervisors/detail',
      call: (version) => `GET /os-hypervisors/detail${withServers(version)}`,
    },
    {
      route: 'GET /os-hypervisors/{id}',
      call: (version) => `GET /os-hypervisors/${byId(version)}${withServers(version)}`,
    },
    {
      route: 'GET /os-hypervisors/{id}/uptime',
      call: (version) => `GET /os-hypervisors/${byId(version)}/uptime`,
    },
  ]
}

function writes({ service, image, spare }: Things): Example[] {
  const example = (route: string, path: string, body?: (version: number) => unknown): Example => ({
    route,
    call: (version) => `${route.split(' ')[0]} ${path.replace('{version}', String(version))}`,
    body,
  })
  const quotaSet = `/os-quota-sets/${home.projectId}`
  const onSpare = `/os-aggregates/${spare}/action`
  return [
    example('POST /os-aggregates', '/os-aggregates', (version) => ({ aggregate: { name: `a ${version}` } })),
    example('PUT /os-aggregates/{id}', `/os-aggregates/${spare}`, (version) => ({
      aggregate: { name: `spare ${version}`, availability_zone: `zone ${version}` },
    })),
    example('POST /os-aggregates/{id}/action set_metadata', onSpare, (version) => ({
      set_metadata: { metadata: { key: `${version}` } },
    })),
    example('POST /os-server-groups', '/os-server-groups', (version) => ({
      server_group:
        version < 64
          ? { name: 'new', policies: ['affinity'] }
          : { name: 'new', policy: 'anti-affinity', rules: { max_server_per_host: 3 } },
    })),
    example('POST /flavors', '/flavors', (version) => ({
      flavor: {
        name: `new ${version}`,
        id: `new-${version}`,
        ram: 64,
        vcpus: 1,
        disk: 0,
        'os-flavor-access:is_public': 'no',
      },
    })),
    example('PUT /flavors/{id}', '/flavors/one', () => ({ flavor: { description: 'other' } })),
    example('POST /flavors/{flavor_id}/os-extra_specs', '/flavors/one/os-extra_specs', () => ({
      extra_specs: { 'quota:cpu_shares': '2' },
    })),
    example('PUT /flavors/{flavor_id}/os-extra_specs/{id}', '/flavors/one/os-extra_specs/a:b', () => ({
      'a:b': 'c',
    })),
    example('POST /flavors/{id}/action addTenantAccess', '/flavors/new-{version}/action', () => ({
      addTenantAccess: { tenant: home.projectId },
    })),
    example('POST /flavors/{id}/action removeTenantAccess', '/flavors/new-{version}/action', () => ({
      removeTenantAccess: { tenant: home.projectId },
    })),
    example('DELETE /flavors/{id}', '/flavors/new-{version}'),
    example('POST /images/{image_id}/metadata', `/images/${image}/metadata`, () => ({
      metadata: { color: 'red' },
    })),
    example('PUT /images/{image_id}/metadata/{id}', `/images/${image}/metadata/color`, () => ({
      meta: { color: 'blue' },
    })),
    example('PUT /images/{image_id}/metadata', `/images/${image}/metadata`, (version) => ({
      metadata: { [`number ${version}`]: 'one' },
    })),
    example('POST /os-keypairs', '/os-keypairs', (version) => ({
      keypair: { name: `new ${version}`, public_key: publicKey },
    })),
    example('DELETE /os-keypairs/{id}', '/os-keypairs/new%20{version}'),
    example('PUT /os-quota-sets/{id}', quotaSet, () => ({ quota_set: { cores: 30, force: true } })),
    example('DELETE /os-quota-sets/{id}', quotaSet),
    example('PUT /os-quota-class-sets/{id}', '/os-quota-class-sets/default', () => ({
      quota_class_set: { cores: '21' },
    })),
    {
      route: 'PUT /os-services/{id}',
      call: (version) => `PUT /os-services/${version >= 53 ? service : 'disable-log-reason'}`,
      body: (version) =>
        version >= 53
          ? { status: 'disabled', disabled_reason: 'why' }
          : { host: 'alpha', binary: 'nova-compute', disabled_reason: 'why' },
    },
  ]
}

const publicKey = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ3ZFgXqQJ5OWPS1pBIgwMDr4Y8g5dQ1N8Zk7Oe0ZL1C a@b'

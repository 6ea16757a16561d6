import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { FilterName, SchedulerConfig } from '../../../src/base/scheduler-config.ts'
import type { HostState } from '../../../src/scheduler/host-state.ts'
import type { PlaceRequest } from '../../../src/scheduler/place-request.ts'
import { aDescription, aFlavor, aHost, anImage, placeAmong } from '../../support/scheduler-bed.ts'

interface Case {
  filter: FilterName
  when: string
  /** Of the host `good`; the others have none of it. */
  good?: Partial<HostState>
  bad?: Partial<HostState>
  request: Partial<PlaceRequest>
  settings?: Partial<SchedulerConfig>
}

const specs = (extraSpecs: Record<string, string>) => ({ flavor: aFlavor({ extraSpecs }) })
const inAggregate = (metadata: Record<string, string>) => ({ aggregates: [{ name: 'a', metadata }] })
const described = (more: Parameters<typeof aDescription>[1]) => ({ description: aDescription('x', more) })
const group = (
  policy: 'affinity' | 'anti-affinity',
  host: string,
  count = 1,
  most: number | null = null,
) => ({
  group: { policy, maxServersPerHost: most, servers: new Map([[host, count]]) },
})
const cell = (id: number, memoryMiB: number, cpus: number[]) => ({ id, memoryMiB, cpus })

const cases: Case[] = [
  {
    filter: 'ComputeCapabilitiesFilter',
    when: 'a scoped spec asks for a feature of the CPU',
    good: described({ cpu: { ...aDescription('x').cpu, features: ['sgx'] } }),
    request: specs({ 'capabilities:cpu_info:features': '<in> sgx', 'hw:other': 'scope' }),
  },
  {
    filter: 'ComputeCapabilitiesFilter',
    when: 'an unscoped spec asks for a version at least',
    good: described({ hypervisorVersion: 9_000_000 }),
    request: specs({ hypervisor_version: '>= 9000000' }),
  },
  {
    filter: 'ImagePropertiesFilter',
    when: 'the image asks for an architecture by another name',
    bad: described({ cpu: { ...aDescription('x').cpu, arch: 'aarch64' } }),
    request: { image: anImage({ hw_architecture: 'amd64' }) },
  },
  {
    filter: 'ImagePropertiesFilter',
    when: 'the image asks for KVM',
    bad: described({ hypervisorType: 'QEMU' }),
    request: { image: anImage({ img_hv_type: 'kvm' }) },
  },
  {
    filter: 'ImagePropertiesFilter',
    when: 'the image asks for a range of versions',
    bad: described({ hypervisorVersion: 6_002_000 }),
    request: { image: anImage({ img_hv_requested_version: '>=7.0,<8.0' }) },
  },
  {
    filter: 'ServerGroupAntiAffinityFilter',
    when: 'a host has one of the group',
    request: group('anti-affinity', 'bad'),
  },
  {
    filter: 'ServerGroupAntiAffinityFilter',
    when: 'a host has as many as it may',
    request: {
      group: {
        policy: 'anti-affinity',
        maxServersPerHost: 2,
        servers: new Map([
          ['bad', 2],
          ['good', 1],
        ]),
      },
    },
  },
  { filter: 'ServerGroupAffinityFilter', when: 'a host has the group', request: group('affinity', 'good') },
  { filter: 'SameHostFilter', when: 'the hint names a server', request: { sameHosts: new Set(['good']) } },
  {
    filter: 'DifferentHostFilter',
    when: 'the hint names a server',
    request: { differentHosts: new Set(['bad']) },
  },
  { filter: 'IoOpsFilter', when: 'a host is busy', bad: { ioOps: 8 }, good: { ioOps: 7 }, request: {} },
  {
    filter: 'AggregateIoOpsFilter',
    when: 'an aggregate allows less',
    bad: { ioOps: 2, ...inAggregate({ max_io_ops_per_host: '2' }) },
    good: { ioOps: 2 },
    request: {},
  },
  { filter: 'NumInstancesFilter', when: 'a host has many servers', bad: { servers: 50 }, request: {} },
  {
    filter: 'AggregateNumInstancesFilter',
    when: 'an aggregate allows more',
    bad: { servers: 50 },
    good: { servers: 50, ...inAggregate({ max_instances_per_host: '51' }) },
    request: {},
  },
  {
    filter: 'AggregateTypeAffinityFilter',
    when: 'an aggregate is for other flavors',
    bad: inAggregate({ instance_type: 'm1.large, m1.huge' }),
    good: inAggregate({ instance_type: 'm1.large, m1.tiny' }),
    request: {},
  },
  {
    filter: 'AggregateMultiTenancyIsolation',
    when: 'an aggregate is for other projects',
    bad: inAggregate({ filter_tenant_id: 'a,b', filter_tenant_id2: 'c' }),
    good: inAggregate({ filter_tenant_id: 'a', filter_tenant_id2: 'project' }),
    request: {},
  },
  {
    filter: 'AggregateImagePropertiesIsolation',
    when: 'an aggregate has another value',
    bad: inAggregate({ os_distro: 'windows' }),
    good: inAggregate({ os_distro: 'debian,fedora' }),
    request: { image: anImage({ os_distro: 'debian' }) },
  },
  {
    filter: 'AggregateImagePropertiesIsolation',
    when: 'only a namespace is looked at',
    bad: inAggregate({ 'my.os': 'windows' }),
    good: inAggregate({ os: 'windows' }),
    request: { image: anImage({ 'my.os': 'debian', os: 'debian' }) },
    settings: { imageIsolationNamespace: 'my' },
  },
  {
    filter: 'AggregateInstanceExtraSpecsFilter',
    when: 'the flavor asks for metadata of an aggregate',
    good: inAggregate({ ssd: 'fast,true' }),
    bad: inAggregate({ ssd: 'false' }),
    request: specs({ 'aggregate_instance_extra_specs:ssd': 'true' }),
  },
  {
    filter: 'IsolatedHostsFilter',
    when: 'the image is isolated',
    request: { image: anImage({}) },
    settings: { isolatedImages: ['image'], isolatedHosts: ['good'] },
  },
  {
    filter: 'IsolatedHostsFilter',
    when: 'the image is not, and the host is',
    request: { image: anImage({}) },
    settings: { isolatedImages: ['other'], isolatedHosts: ['bad'] },
  },
  {
    filter: 'SimpleCIDRAffinityFilter',
    when: 'a host is in another network',
    bad: described({ hostIp: '192.0.3.9' }),
    good: described({ hostIp: '192.0.2.200' }),
    request: { hints: { build_near_host_ip: '192.0.2.5', cidr: '/24' } },
  },
  {
    filter: 'SimpleCIDRAffinityFilter',
    when: 'addresses are of version 6',
    bad: described({ hostIp: '2001:db8:1::9' }),
    good: described({ hostIp: '2001:db8::9' }),
    request: { hints: { build_near_host_ip: '2001:db8::5', cidr: '/48' } },
  },
  {
    filter: 'JsonFilter',
    when: 'a query asks for memory, and not for a name',
    bad: { used: { vcpus: 0, memoryMiB: 4096, diskGiB: 0 } },
    request: { hints: { query: '["and", [">=", "$free_ram_mb", 6000], ["not", ["=", "$host", "other"]]]' } },
  },
  {
    filter: 'NUMATopologyFilter',
    when: 'the flavor asks for two cells',
    bad: described({ numaCells: [cell(0, 8192, [0, 1, 2, 3])] }),
    good: described({ numaCells: [cell(0, 4096, [0, 1]), cell(1, 4096, [2, 3])] }),
    request: { flavor: aFlavor({ vcpus: 2, extraSpecs: { 'hw:numa_nodes': '2' } }) },
  },
  {
    filter: 'NUMATopologyFilter',
    when: 'CPUs are dedicated and do not fit on one cell',
    bad: described({ numaCells: [cell(0, 8192, [0, 1]), cell(1, 8192, [2, 3])] }),
    good: described({ numaCells: [cell(0, 8192, [0, 1, 2, 3])] }),
    request: { flavor: aFlavor({ vcpus: 4, extraSpecs: { 'hw:cpu_policy': 'dedicated' } }) },
  },
  {
    filter: 'MetricsFilter',
    when: 'a host has told nothing yet',
    bad: { description: undefined },
    request: {},
    settings: { metricsSetting: ['load.1=1'] },
  },
]

describe('filters', () => {
  for (const { filter, when, good, bad, request, settings } of cases)
    it(`${filter}: ${when}`, () => {
      const hosts = [aHost('good', good), aHost('bad', bad)]
      const { candidates, reasons } = placeAmong(hosts, request, { ...settings, filters: [filter] })
      assert.deepEqual(candidates, ['good'])
      assert.deepEqual(reasons.rejected, [{ filter, count: 1, hosts: ['bad'] }])
      const without = placeAmong(hosts, request, { ...settings, filters: ['AllHostsFilter'] })
      assert.equal(without.reasons.passed, 2, 'nothing else turns it away')
    })

  it('turn all away for what no host has, and for hints that make no sense', () => {
    const nested = `${'["not",'.repeat(100)}1${']'.repeat(100)}`
    const hopeless: [FilterName, Partial<PlaceRequest>][] = [
      ['PciPassthroughFilter', specs({ 'pci_passthrough:alias': 'gpu:1' })],
      ['JsonFilter', { hints: { query: 'no JSON' } }],
      ['JsonFilter', { hints: { query: '["no such operator", 1, 2]' } }],
      ['JsonFilter', { hints: { query: nested } }],
      ['JsonFilter', { hints: { query: '["=", "$constructor", 1]' } }],
      ['SimpleCIDRAffinityFilter', { hints: { build_near_host_ip: '192.0.2.5', cidr: '/99' } }],
    ]
    for (const [filter, request] of hopeless) {
      const { reasons } = placeAmong([aHost('h1')], request, { filters: [filter] })
      assert.deepEqual(reasons.rejected, [{ filter, count: 1, hosts: ['h1'] }], JSON.stringify(request))
    }
  })
})

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import type { SchedulerConfig } from '../../../src/base/scheduler-config.ts'
import type { HostState } from '../../../src/scheduler/host-state.ts'
import type { PlaceRequest } from '../../../src/scheduler/place-request.ts'
import { aDescription, aHost, anImage, placeAmong } from '../../support/scheduler-bed.ts'

/** Only what is named counts. */
const silent: Partial<SchedulerConfig> = {
  ramWeight: 0,
  cpuWeight: 0,
  diskWeight: 0,
  ioOpsWeight: 0,
  metricsWeight: 0,
  softAffinityWeight: 0,
  softAntiAffinityWeight: 0,
  buildFailureWeight: 0,
  hypervisorVersionWeight: 0,
}

describe('weighers', () => {
  const group = (policy: 'soft-affinity' | 'soft-anti-affinity') => ({
    group: { policy, maxServersPerHost: null, servers: new Map([['special', 2]]) },
  })
  const cases: [string, Partial<SchedulerConfig>, Partial<HostState>, Partial<PlaceRequest>?][] = [
    ['memory', { ramWeight: 1 }, { capacity: { vcpus: 8, memoryMiB: 9000, diskGiB: 100 } }],
    ['cpu', { cpuWeight: 1 }, { capacity: { vcpus: 9, memoryMiB: 8192, diskGiB: 100 } }],
    ['disk', { diskWeight: 1 }, { capacity: { vcpus: 8, memoryMiB: 8192, diskGiB: 101 } }],
    ['io ops', { ioOpsWeight: 1 }, { ioOps: 1 }],
    ['servers', { numServersWeight: 1 }, { servers: 1 }],
    ['build failures', { buildFailureWeight: -1 }, { failedBuilds: 1 }],
    [
      'the hypervisor version',
      { hypervisorVersionWeight: 1 },
      { description: aDescription('special', { hypervisorVersion: 8_000_000 }) },
    ],
    [
      'metrics',
      { metricsWeight: 1, metricsSetting: ['load.1=2'] },
      { description: aDescription('special', { loadAverage: [5, 0, 0] }) },
    ],
    ['soft affinity', { softAffinityWeight: 1 }, {}, group('soft-affinity')],
    ['soft anti-affinity', { softAntiAffinityWeight: -1 }, {}, group('soft-anti-affinity')],
    [
      'image properties',
      { imagePropertiesWeight: 1, imagePropertiesSetting: ['os_distro=2'] },
      {},
      {
        image: anImage({ os_distro: 'debian' }),
        imageProperties: new Map([['special', [{ os_distro: 'debian' }]]]),
      },
    ],
  ]
  for (const [what, weights, state, request] of cases)
    it(`look at ${what}, with their multiplier`, () => {
      const hosts = [aHost('plain'), aHost('special', state), aHost('other')]
      const settings = { ...silent, ...weights }
      assert.equal(placeAmong(hosts, request, settings).candidates[0], 'special')
      const turned = Object.fromEntries(
        Object.entries(settings).map(([key, value]) => [key, typeof value === 'number' ? -value : value]),
      )
      assert.equal(placeAmong(hosts, request, turned).candidates.at(-1), 'special')
    })

  it('take a multiplier from the metadata of aggregates', () => {
    const more = { capacity: { vcpus: 8, memoryMiB: 9000, diskGiB: 100 } }
    const aggregates = [{ name: 'packed', metadata: { ram_weight_multiplier: '-2' } }]
    const hosts = [aHost('packed', { ...more, aggregates }), aHost('large', more), aHost('small')]
    const { reasons } = placeAmong(hosts, {}, { ...silent, ramWeight: 1 })
    assert.deepEqual(
      reasons.candidates.map(({ host, weight, parts }) => [host, weight, parts]),
      [
        ['large', 1, { ram: 1 }],
        ['small', 0, {}],
        ['packed', -2, { ram: -2 }],
      ],
    )
  })

  it('spread servers over equal hosts, the same server always to the same', () => {
    const hosts = Array.from({ length: 10 }, (_, i) => aHost(`h${i}`))
    const chosen = Array.from(
      { length: 500 },
      (_, i) => placeAmong(hosts, { seed: `seed-${i}` }).candidates[0]!,
    )
    assert.equal(placeAmong(hosts.toReversed(), { seed: 'seed-7' }).candidates[0], chosen[7])
    for (const { name } of hosts) {
      const share = chosen.filter((other) => other === name).length
      assert.ok(share > 20 && share < 100, `${name} got ${share} of 500`)
    }
  })

  it('let chance choose among the best of a subset, and none beyond it', () => {
    const hosts = Array.from({ length: 5 }, (_, i) => aHost(`h${i}`, { servers: i }))
    const settings = { ...silent, numServersWeight: 1, subsetSize: 2 }
    const firsts = new Set(
      Array.from({ length: 40 }, (_, i) => placeAmong(hosts, { seed: `${i}` }, settings, 1).candidates[0]),
    )
    assert.deepEqual([...firsts].toSorted(), ['h3', 'h4'])
  })
})

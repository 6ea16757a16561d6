import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import { place, type HostState, type PlaceRequest } from '../../../src/scheduler/place.ts'

const host = (name: string, more: Partial<HostState> = {}): HostState => ({
  name,
  availabilityZone: 'nova',
  up: true,
  disabled: false,
  forcedDown: false,
  capacity: { vcpus: 8, memoryMiB: 8192, diskGiB: 100 },
  used: { vcpus: 0, memoryMiB: 0, diskGiB: 0 },
  ...more,
})

const request = (more: Partial<PlaceRequest> = {}): PlaceRequest => ({
  seed: 'a-server',
  resources: { vcpus: 1, memoryMiB: 1024, diskGiB: 10 },
  availabilityZone: null,
  ...more,
})

const options = { ramWeight: 1, cpuWeight: 1, diskWeight: 1, candidates: 3 }

describe('filters', () => {
  const cases: [string, Partial<HostState>, Partial<PlaceRequest>][] = [
    ['down', { up: false }, {}],
    ['disabled', { disabled: true }, {}],
    ['forced-down', { forcedDown: true }, {}],
    ['availability-zone', {}, { availabilityZone: 'other' }],
    ['not-requested', {}, { requestedHost: 'h2' }],
    ['already-tried', {}, { excluded: ['h1'] }],
    ['vcpus', { used: { vcpus: 8, memoryMiB: 0, diskGiB: 0 } }, {}],
    ['memory', { used: { vcpus: 0, memoryMiB: 7169, diskGiB: 0 } }, {}],
    ['disk', { used: { vcpus: 0, memoryMiB: 0, diskGiB: 91 } }, {}],
  ]
  for (const [filter, state, asked] of cases) {
    it(`turns a host away: ${filter}`, () => {
      const { candidates, reasons } = place(request(asked), [host('h1', state)], options)
      assert.deepEqual(candidates, [])
      assert.deepEqual(reasons.rejected, [{ filter, count: 1, hosts: ['h1'] }])
    })
  }

  it('let a host be filled to the last unit', () => {
    const full = host('h1', { used: { vcpus: 7, memoryMiB: 7168, diskGiB: 90 } })
    assert.deepEqual(place(request(), [full], options).candidates, ['h1'])
  })

  it('do not ask for what a server does not take, even of a host that is over its capacity', () => {
    const over = host('h1', { used: { vcpus: 0, memoryMiB: 0, diskGiB: 200 } })
    const resources = { vcpus: 1, memoryMiB: 1, diskGiB: 0 }
    assert.deepEqual(place(request({ resources }), [over], options).candidates, ['h1'])
  })

  it('name some hosts and count all', () => {
    const hosts = Array.from({ length: 20 }, (_, i) => host(`h${i}`, { disabled: true }))
    const [rejected] = place(request(), hosts, options).reasons.rejected
    assert.equal(rejected!.count, 20)
    assert.equal(rejected!.hosts.length, 5)
  })

  it('are skipped for a forced host, whose name is taken without regard to case', () => {
    const hosts = [host('h1'), host('Host-2', { disabled: true, up: false })]
    assert.deepEqual(place(request({ forcedHost: 'host-2' }), hosts, options).candidates, ['Host-2'])
    assert.deepEqual(place(request({ forcedHost: 'h3' }), hosts, options).candidates, [])
  })
})

describe('weighers', () => {
  it('prefer more free memory, CPU and disk, each by its multiplier', () => {
    const memory = host('memory', { capacity: { vcpus: 8, memoryMiB: 9000, diskGiB: 100 } })
    const cpu = host('cpu', { capacity: { vcpus: 9, memoryMiB: 8192, diskGiB: 100 } })
    const disk = host('disk', { capacity: { vcpus: 8, memoryMiB: 8192, diskGiB: 101 } })
    const hosts = [memory, cpu, disk]
    const first = (weights: object): string | undefined =>
      place(request(), hosts, { ...options, ramWeight: 0, cpuWeight: 0, diskWeight: 0, ...weights })
        .candidates[0]
    assert.equal(first({ ramWeight: 1 }), 'memory')
    assert.equal(first({ cpuWeight: 1 }), 'cpu')
    assert.equal(first({ diskWeight: 1 }), 'disk')
    assert.notEqual(first({ ramWeight: -1 }), 'memory')
  })

  it('spread servers over equal hosts, the same server always to the same', () => {
    const hosts = Array.from({ length: 10 }, (_, i) => host(`h${i}`))
    const chosen = Array.from(
      { length: 500 },
      (_, i) => place(request({ seed: `seed-${i}` }), hosts, options).candidates[0]!,
    )
    const again = place(request({ seed: 'seed-7' }), hosts.toReversed(), options).candidates[0]
    assert.equal(again, chosen[7])
    for (const { name } of hosts) {
      const share = chosen.filter((other) => other === name).length
      assert.ok(share > 20 && share < 100, `${name} got ${share} of 500`)
    }
  })
})

describe('any request to any hosts', () => {
  const amount = fc.nat({ max: 20 })
  const resources = fc.record({ vcpus: amount, memoryMiB: amount, diskGiB: amount })
  const anyHosts = fc
    .array(
      fc.record({
        up: fc.boolean(),
        disabled: fc.boolean(),
        forcedDown: fc.boolean(),
        capacity: resources,
        used: resources,
      }),
      { maxLength: 12 },
    )
    .map((list) => list.map((state, i) => host(`h${i}`, state)))

  it('gets only hosts that fit, as many as there are up to the limit, in order of weight', () => {
    fc.assert(
      fc.property(anyHosts, resources, fc.string(), (hosts, wanted, seed) => {
        const { candidates, reasons } = place(request({ resources: wanted, seed }), hosts, options)
        const fits = hosts.filter(
          ({ up, disabled, forcedDown, capacity, used }) =>
            up &&
            !disabled &&
            !forcedDown &&
            (['vcpus', 'memoryMiB', 'diskGiB'] as const).every(
              (kind) => wanted[kind] === 0 || used[kind] + wanted[kind] <= capacity[kind],
            ),
        )
        assert.equal(reasons.passed, fits.length)
        assert.equal(candidates.length, Math.min(options.candidates, fits.length))
        assert.equal(new Set(candidates).size, candidates.length)
        for (const name of candidates) assert.ok(fits.some((other) => other.name === name))
        const rejected = reasons.rejected.reduce((sum, { count }) => sum + count, 0)
        assert.equal(rejected + reasons.passed, hosts.length)
        const weights = reasons.candidates.map(({ weight }) => weight)
        assert.deepEqual(
          weights,
          weights.toSorted((a, b) => b - a),
        )
      }),
    )
  })

  it('gets the same answer whatever the order of the hosts', () => {
    fc.assert(
      fc.property(anyHosts, resources, (hosts, wanted) => {
        const asked = request({ resources: wanted })
        assert.deepEqual(
          place(asked, hosts, options).candidates,
          place(asked, hosts.toReversed(), options).candidates,
        )
      }),
    )
  })
})

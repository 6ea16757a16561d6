import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as fc from 'fast-check'
import type { HostState } from '../../../src/scheduler/host-state.ts'
import type { PlaceRequest } from '../../../src/scheduler/place-request.ts'
import { aDescription, aFlavor, aHost, anImage, placeAmong } from '../../support/scheduler-bed.ts'

describe('what is always asked', () => {
  const cases: [string, Partial<HostState>, Partial<PlaceRequest>][] = [
    ['down', { lastSeenAt: 9 }, { upSince: 10 }],
    ['disabled', { disabled: true }, {}],
    ['maintenance', { maintenance: true }, {}],
    ['forced-down', { forcedDown: true }, {}],
    ['availability-zone', {}, { availabilityZone: 'other' }],
    ['not-requested', {}, { requestedHost: 'h2' }],
    ['already-tried', {}, { excluded: ['h1'] }],
    ['vcpus', { used: { vcpus: 8, memoryMiB: 0, diskGiB: 0 } }, {}],
    ['memory', { used: { vcpus: 0, memoryMiB: 7169, diskGiB: 0 } }, {}],
    ['disk', { used: { vcpus: 0, memoryMiB: 0, diskGiB: 91 } }, {}],
    ['vcpus', {}, { flavor: aFlavor({ extraSpecs: { 'resources:VCPU': '9' } }) }],
    ['resource-class', {}, { flavor: aFlavor({ extraSpecs: { 'resources:CUSTOM_FPGA': '1' } }) }],
    ['traits', {}, { flavor: aFlavor({ extraSpecs: { 'trait:HW_CPU_X86_AVX512F': 'required' } }) }],
    ['traits', {}, { flavor: aFlavor({ extraSpecs: { 'trait:HW_CPU_X86_AVX2': 'forbidden' } }) }],
    ['traits', {}, { image: anImage({ 'trait:CUSTOM_GOLD': 'required' }) }],
  ]
  for (const [filter, state, asked] of cases)
    it(`turns a host away: ${filter} (${JSON.stringify(asked)})`, () => {
      const { candidates, reasons } = placeAmong([aHost('h1', state)], asked)
      assert.deepEqual(candidates, [])
      assert.deepEqual(reasons.rejected, [{ filter, count: 1, hosts: ['h1'] }])
    })

  it('lets a host be filled to the last unit', () => {
    const full = aHost('h1', { used: { vcpus: 7, memoryMiB: 7168, diskGiB: 90 } })
    assert.deepEqual(placeAmong([full]).candidates, ['h1'])
  })

  it('does not ask for what a server does not take, even of a host that is over its capacity', () => {
    const over = aHost('h1', { used: { vcpus: 0, memoryMiB: 0, diskGiB: 200 } })
    assert.deepEqual(placeAmong([over], { flavor: aFlavor({ rootGiB: 0 }) }).candidates, ['h1'])
    assert.deepEqual(
      placeAmong([over], { flavor: aFlavor({ extraSpecs: { 'resources:DISK_GB': '0' } }) }).candidates,
      ['h1'],
    )
  })

  it('finds traits of the CPU by the names of os-traits', () => {
    const extraSpecs = {
      'trait:HW_CPU_X86_AESNI': 'required',
      'trait:HW_CPU_X86_SSE42': 'required',
      'trait:COMPUTE_NODE': 'required',
    }
    assert.deepEqual(placeAmong([aHost('h1')], { flavor: aFlavor({ extraSpecs }) }).candidates, ['h1'])
  })

  it('does not ask whether hosts are up without ComputeFilter', () => {
    const { candidates } = placeAmong([aHost('h1', { forcedDown: true })], { upSince: 10 }, { filters: [] })
    assert.deepEqual(candidates, ['h1'])
  })

  it('names some hosts and counts all', () => {
    const hosts = Array.from({ length: 50 }, (_, i) => aHost(`h${i}`, { disabled: true }))
    const [rejected] = placeAmong(hosts).reasons.rejected
    assert.equal(rejected!.count, 50)
    assert.equal(rejected!.hosts.length, 20)
  })

  it('is skipped for a forced host, whose name is taken without regard to case', () => {
    const hosts = [aHost('h1'), aHost('Host-2', { disabled: true })]
    assert.deepEqual(placeAmong(hosts, { forcedHost: 'host-2' }).candidates, ['Host-2'])
    assert.deepEqual(placeAmong(hosts, { forcedHost: 'h3' }).candidates, [])
  })
})

describe('any request to any hosts', () => {
  const amount = fc.nat({ max: 20 })
  const resources = fc.record({ vcpus: amount, memoryMiB: amount, diskGiB: amount })
  const anyHosts = fc
    .array(
      fc.record({
        lastSeenAt: fc.nat({ max: 3 }),
        disabled: fc.boolean(),
        forcedDown: fc.boolean(),
        capacity: resources,
        used: resources,
        ioOps: fc.nat({ max: 3 }),
        failedBuilds: fc.nat({ max: 1 }),
        description: fc.constantFrom(aDescription('h'), aDescription('h', { hypervisorVersion: 6 })),
      }),
      { maxLength: 12 },
    )
    .map((list) => list.map((state, i) => aHost(`h${i}`, state)))
  const flavorOf = ({ vcpus, memoryMiB, diskGiB }: { vcpus: number; memoryMiB: number; diskGiB: number }) =>
    aFlavor({ vcpus, memoryMiB, rootGiB: diskGiB })

  it('gets only hosts that fit, as many as there are up to the limit, in order of weight', () => {
    fc.assert(
      fc.property(anyHosts, resources, fc.string(), (hosts, wanted, seed) => {
        const asked = { flavor: flavorOf(wanted), seed, upSince: 1 }
        const { candidates, reasons } = placeAmong(hosts, asked)
        const fits = hosts.filter(
          ({ lastSeenAt, disabled, forcedDown, capacity, used }) =>
            lastSeenAt >= 1 &&
            !disabled &&
            !forcedDown &&
            (['vcpus', 'memoryMiB', 'diskGiB'] as const).every(
              (kind) => wanted[kind] === 0 || used[kind] + wanted[kind] <= capacity[kind],
            ),
        )
        assert.equal(reasons.passed, fits.length)
        assert.equal(candidates.length, Math.min(3, fits.length))
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
        const asked = { flavor: flavorOf(wanted) }
        assert.deepEqual(
          placeAmong(hosts, asked).candidates,
          placeAmong(hosts.toReversed(), asked).candidates,
        )
      }),
    )
  })
})

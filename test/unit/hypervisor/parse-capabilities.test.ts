import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import {
  parseDomainCapabilities,
  parseHostCapabilities,
} from '../../../src/hypervisor/libvirt/parse-capabilities.ts'

/** What libvirt 9.0 said, cut down to what differs; the second and third are made after it. */
const golden = (name: string): string =>
  readFileSync(join(import.meta.dirname, `../../golden/capabilities/${name}.xml`), 'utf8')

test('a small machine: its CPU, its one cell, the machine types of its own architecture only', () => {
  assert.deepEqual(parseHostCapabilities(golden('one-cell')), {
    cpu: {
      arch: 'x86_64',
      vendor: 'AMD',
      model: 'kvm64',
      features: ['aes', 'avx2', 'invtsc', 'x2apic'],
      sockets: 1,
      cores: 2,
      threads: 1,
    },
    numaCells: [{ id: 0, memoryMiB: 6746, cpus: [0, 1] }],
    machineTypes: ['pc', 'pc-i440fx-1.5', 'pc-i440fx-7.2', 'pc-q35-7.2', 'q35'],
    kvmOffered: true,
  })
})

test('dies count as cores; a cell may have one CPU or none; machine types may be the domain type’s', () => {
  const { cpu, numaCells, machineTypes, kvmOffered } = parseHostCapabilities(golden('two-cells'))
  assert.deepEqual([cpu.sockets, cpu.cores, cpu.threads], [1, 4, 2])
  assert.deepEqual([cpu.vendor, cpu.model, cpu.features], ['', '', []])
  assert.deepEqual(numaCells, [
    { id: 0, memoryMiB: 64_297, cpus: [0, 1, 4, 5] },
    { id: 1, memoryMiB: 64_508, cpus: [2] },
    { id: 2, memoryMiB: 1024, cpus: [] },
  ])
  assert.deepEqual(machineTypes, ['pc', 'pc-i440fx-8.2'])
  assert.equal(kvmOffered, false)
})

test('a host without an emulator for its own CPU is told what to install', () => {
  assert.throws(() => parseHostCapabilities(golden('no-emulator')), {
    kind: 'internal',
    message: /no emulator for aarch64.*install QEMU/,
  })
})

test('of the CPU modes those that work', () => {
  assert.deepEqual(parseDomainCapabilities(golden('domain-tcg')), {
    emulator: '/usr/bin/qemu-system-x86_64',
    cpuModes: ['maximum', 'host-model', 'custom'],
  })
})

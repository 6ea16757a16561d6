import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chooseVirtType, type VirtTypeFacts } from '../../../src/hypervisor/virt-type.ts'

const intel: VirtTypeFacts = {
  setting: 'auto',
  kvmOffered: true,
  kvmDevice: true,
  cpuInfo: 'processor\t: 0\nvendor_id\t: GenuineIntel\nflags\t\t: fpu vme vmx ssse3\n',
  modules: 'kvm_intel 380928 0 - Live 0x0\nkvm 1146880 1 kvm_intel, Live 0x0\n',
}

const cases: [string, Partial<VirtTypeFacts>, 'kvm' | 'qemu', RegExp][] = [
  ['all of it there', {}, 'kvm', /KVM/],
  [
    'AMD',
    { cpuInfo: 'flags : fpu svm\n', modules: 'kvm_amd 1 0\nkvm 1 1 kvm_amd,\n' },
    'kvm',
    /processor and the kernel/,
  ],
  [
    'a device without the flag, as in many containers',
    { cpuInfo: 'flags\t: fpu ssse3\n' },
    'qemu',
    /vmx nor svm/,
  ],
  ['a word that only holds the flag', { cpuInfo: 'flags\t: vmx_like xsvm\n' }, 'qemu', /vmx nor svm/],
  [
    'the other maker’s module',
    { modules: 'kvm_amd 1 0\nkvm 1 1 kvm_amd,\n' },
    'qemu',
    /kvm_intel is not loaded/,
  ],
  [
    'a module that is only used by name',
    { modules: 'kvm 1 1 kvm_intel,\n' },
    'qemu',
    /kvm_intel is not loaded/,
  ],
  ['KVM in the kernel itself', { modules: 'ext4 1 0\n' }, 'kvm', /kernel/],
  ['no module and no device', { modules: '', kvmDevice: false }, 'qemu', /kvm_intel is not loaded/],
  ['no device', { kvmDevice: false }, 'qemu', /\/dev\/kvm is missing/],
  ['not offered by libvirt', { kvmOffered: false }, 'qemu', /libvirt does not offer/],
  [
    'Arm, which has no such flag',
    { cpuInfo: 'processor : 0\nFeatures : fp asimd\n', modules: '' },
    'kvm',
    /KVM/,
  ],
  ['Arm without the device', { cpuInfo: 'Features : fp\n', kvmDevice: false }, 'qemu', /missing/],
  ['a setting against the facts', { setting: 'kvm', kvmDevice: false }, 'kvm', /agent\.virtType/],
  ['a setting for emulation', { setting: 'qemu' }, 'qemu', /agent\.virtType/],
]

for (const [name, facts, virtType, reason] of cases)
  test(`virtualisation type: ${name}`, () => {
    const choice = chooseVirtType({ ...intel, ...facts })
    assert.equal(choice.virtType, virtType)
    assert.match(choice.reason, reason)
  })

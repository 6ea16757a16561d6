/** `auto`: KVM where it truly works. */
export type VirtTypeSetting = 'auto' | 'kvm' | 'qemu'

export interface VirtTypeFacts {
  setting: VirtTypeSetting
  /** libvirt's capabilities have KVM for the host's architecture. They do where it does not work, too. */
  kvmOffered: boolean
  /** /dev/kvm is there. */
  kvmDevice: boolean
  /** /proc/cpuinfo. */
  cpuInfo: string
  /** /proc/modules. */
  modules: string
}

export interface VirtTypeChoice {
  virtType: 'kvm' | 'qemu'
  /** Why, as one sentence for the log and for operators. */
  reason: string
}

/** Of each maker's processors the flag that says it can virtualise, and the kernel module that does it. */
const makers = [
  { flag: 'vmx', module: 'kvm_intel' },
  { flag: 'svm', module: 'kvm_amd' },
]

/**
 * Whether guests run under KVM or are emulated (TCG). A setting decides. Without one it is the processor's flag
 * and the maker's module that count: a machine may have /dev/kvm, and libvirt offer it, where a guest hangs before
 * its first line.
 */
export function chooseVirtType(facts: VirtTypeFacts): VirtTypeChoice {
  if (facts.setting !== 'auto')
    return {
      virtType: facts.setting,
      reason: `Guests run under ${nameOf(facts.setting)} because the setting agent.virtType says so.`,
    }
  const obstacle = obstacleToKvm(facts)
  if (obstacle === undefined)
    return { virtType: 'kvm', reason: 'Guests run under KVM: the processor and the kernel both support it.' }
  return { virtType: 'qemu', reason: `Guests are emulated (TCG), which is slow: ${obstacle}.` }
}

function obstacleToKvm({ cpuInfo, modules, kvmDevice, kvmOffered }: VirtTypeFacts): string | undefined {
  const flags = flagsOf(cpuInfo)
  // Other architectures have no such flag; there the device says it all.
  if (flags) {
    const maker = makers.find(({ flag }) => flags.has(flag))
    if (!maker)
      return 'the processor shows neither vmx nor svm, so hardware virtualisation is off or not passed on'
    const loaded = new Set(modules.split('\n').map((line) => line.split(' ', 1)[0]))
    // With nothing of KVM among the modules it is built into the kernel, if the device is there.
    const builtIn = !loaded.has('kvm') && kvmDevice
    if (!loaded.has(maker.module) && !builtIn) return `the kernel module ${maker.module} is not loaded`
  }
  if (!kvmDevice) return '/dev/kvm is missing'
  return kvmOffered ? undefined : 'libvirt does not offer KVM'
}

/** Of the first processor; undefined where processors are not described so. */
function flagsOf(cpuInfo: string): Set<string> | undefined {
  const [, flags] = /^flags\s*:(.*)$/m.exec(cpuInfo) ?? []
  return flags === undefined ? undefined : new Set(flags.trim().split(/\s+/))
}

const nameOf = (virtType: 'kvm' | 'qemu'): string => (virtType === 'kvm' ? 'KVM' : 'emulation (TCG)')

import type { SchedulerConfig } from '../../base/scheduler-config.ts'
import type { HostDescription } from '../../model/host.ts'
import type { ServerImage } from '../../model/server-spec.ts'
import type { Filter } from '../filter.ts'

/**
 * The image's architecture, hypervisor type, VM mode and hypervisor version against the host's. A KVM host also runs
 * what asks for QEMU.
 */
export const imagePropertiesFilter: Filter = {
  name: 'ImagePropertiesFilter',
  prepare: ({ image }, { facts }, settings) => {
    const wanted = wantedOf(image, settings)
    if (!wanted) return null
    return (index) => {
      const { description } = facts[index]!
      return description !== undefined && suits(description, wanted)
    }
  },
}

interface Wanted {
  arch: string | undefined
  type: string | undefined
  mode: string | undefined
  versions: string[]
}

function wantedOf(image: ServerImage | null, { defaultArchitecture }: SchedulerConfig): Wanted | null {
  const properties = image?.properties ?? {}
  const first = (...keys: string[]) => keys.map((key) => properties[key]).find((value) => value !== undefined)
  const arch = first('hw_architecture', 'architecture') ?? defaultArchitecture ?? undefined
  const wanted: Wanted = {
    arch: arch === undefined ? undefined : canonicalArch(arch),
    type: first('img_hv_type', 'hypervisor_type')?.toLowerCase(),
    mode: first('hw_vm_mode', 'vm_mode')?.toLowerCase(),
    versions: (first('img_hv_requested_version', 'hypervisor_version_requires') ?? '')
      .split(',')
      .map((part) => part.trim())
      .filter((part) => part !== ''),
  }
  const asks = wanted.arch ?? wanted.type ?? wanted.mode ?? wanted.versions[0]
  return asks === undefined ? null : wanted
}

function suits({ cpu, hypervisorType, hypervisorVersion }: HostDescription, wanted: Wanted): boolean {
  const { arch, type, mode, versions } = wanted
  const own = canonicalArch(cpu.arch)
  if (arch !== undefined && arch !== own && !(arch === 'i686' && own === 'x86_64')) return false
  if (type !== undefined && type !== 'qemu' && type !== hypervisorType.toLowerCase()) return false
  if (mode !== undefined && mode !== 'hvm') return false
  return versions.every((requirement) => versionMeets(hypervisorVersion, requirement))
}

const aliases: Record<string, string> = {
  amd64: 'x86_64',
  x64: 'x86_64',
  i386: 'i686',
  i486: 'i686',
  i586: 'i686',
}

function canonicalArch(arch: string): string {
  const lower = arch.toLowerCase()
  return aliases[lower] ?? lower
}

/** `>=6.0`, several with commas before; without an operator the version itself. */
function versionMeets(version: number, requirement: string): boolean {
  const [, operator = '', text = ''] =
    /^(>=|<=|==|!=|=|>|<)?\s*([0-9]+(?:\.[0-9]+){0,2})$/.exec(requirement) ?? []
  if (text === '') return false
  const [major = 0, minor = 0, release = 0] = text.split('.').map(Number)
  const wanted = major * 1_000_000 + minor * 1000 + release
  if (operator === '>=') return version >= wanted
  if (operator === '<=') return version <= wanted
  if (operator === '>') return version > wanted
  if (operator === '<') return version < wanted
  return operator === '!=' ? version !== wanted : version === wanted
}

import type { HostDescription } from '../model/host.ts'

/** What every host of ours can do. */
const common = [
  'COMPUTE_NODE',
  'COMPUTE_IMAGE_TYPE_QCOW2',
  'COMPUTE_IMAGE_TYPE_RAW',
  'COMPUTE_STORAGE_BUS_VIRTIO',
  'COMPUTE_STORAGE_BUS_SCSI',
]

/** CPU features whose traits are not called like them. */
const renamed: Record<string, string> = {
  aes: 'AESNI',
  fma: 'FMA3',
  pclmuldq: 'CLMUL',
  pclmulqdq: 'CLMUL',
  'sha-ni': 'SHA',
}

const known = new WeakMap<HostDescription, ReadonlySet<string>>()

/** A host's traits, in the names of os-traits: what it can do, and each feature of its CPU as `HW_CPU_X86_...`. */
export function traitsOf(description: HostDescription): ReadonlySet<string> {
  const before = known.get(description)
  if (before) return before
  const traits = new Set(common)
  const family = /^(x86_64|i.86)$/.test(description.cpu.arch) ? 'X86' : description.cpu.arch.toUpperCase()
  for (const feature of description.cpu.features) {
    const name = renamed[feature] ?? feature.replaceAll('.', '').replaceAll(/[^a-zA-Z0-9]/g, '_')
    traits.add(`HW_CPU_${family}_${name.toUpperCase()}`)
  }
  known.set(description, traits)
  return traits
}

/** Traits that a flavor's extra specs or an image's properties require or forbid, as `trait:NAME`. */
export function requestedTraits(specs: Readonly<Record<string, string>>): {
  required: string[]
  forbidden: string[]
} {
  const required: string[] = []
  const forbidden: string[] = []
  for (const [key, value] of Object.entries(specs)) {
    const [, name] = /^trait\w*:(\w+)$/.exec(key) ?? []
    if (name === undefined) continue
    if (value === 'required') required.push(name)
    if (value === 'forbidden') forbidden.push(name)
  }
  return { required, forbidden }
}

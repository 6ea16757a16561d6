import { resourcesOf, type Resources, type ServerFlavor } from '../model/server-spec.ts'

const own: Record<string, keyof Resources> = {
  VCPU: 'vcpus',
  MEMORY_MB: 'memoryMiB',
  DISK_GB: 'diskGiB',
}

/**
 * What a flavor takes of a host: its own amounts, unless extra specs `resources:VCPU` and the like say others (0 takes
 * nothing).
 */
export function requestedResources(flavor: ServerFlavor): Resources {
  const resources = resourcesOf(flavor)
  for (const [name, amount] of resourceSpecs(flavor)) {
    const kind = own[name]
    if (kind) resources[kind] = amount
  }
  return resources
}

/** Resource classes that a flavor asks some of, and that no host of ours has. */
export const foreignResources = (flavor: ServerFlavor): string[] =>
  resourceSpecs(flavor).flatMap(([name, amount]) => (own[name] === undefined && amount > 0 ? [name] : []))

function resourceSpecs({ extraSpecs }: ServerFlavor): [string, number][] {
  const found: [string, number][] = []
  for (const [key, value] of Object.entries(extraSpecs)) {
    const [, name] = /^resources\w*:(\w+)$/.exec(key) ?? []
    if (name !== undefined && /^\d{1,9}$/.test(value)) found.push([name, Number(value)])
  }
  return found
}

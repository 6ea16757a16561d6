/** One of the OpenStack services that Lodge embeds, or its own additions, and where it stands in the URL space. */
export interface Service {
  name: 'identity' | 'compute' | 'image' | 'network' | 'lodge'
  /** `/compute` */
  root: string
  /** The version segment below the root: `v2.1`. */
  version: string
}

export const services = {
  identity: { name: 'identity', root: '/identity', version: 'v3' },
  compute: { name: 'compute', root: '/compute', version: 'v2.1' },
  image: { name: 'image', root: '/image', version: 'v2' },
  network: { name: 'network', root: '/network', version: 'v2.0' },
  lodge: { name: 'lodge', root: '/lodge', version: 'v1' },
} as const satisfies Record<string, Service>

export type ServiceName = keyof typeof services

/** The service that a path belongs to, or undefined for paths of none. */
export function serviceOfPath(path: string): Service | undefined {
  for (const service of Object.values(services)) {
    if (!path.startsWith(service.root)) continue
    const next = path[service.root.length]
    if (next === undefined || next === '/' || next === '?') return service
  }
  return undefined
}

import { services, type Service } from './service.ts'

/** A version document: what stands at a URL that clients read before they have a token. */
export interface VersionDocument {
  status: number
  body: unknown
}

/** Keystone's list of versions (`/identity`), whose status is 300. `root` is the service's URL for this client. */
export const identityVersions = (root: string): VersionDocument => ({
  status: 300,
  body: { versions: { values: [identityVersion(root)] } },
})

/** Keystone's v3 document (`/identity/v3`). */
export const identityV3 = (root: string): VersionDocument => ({
  status: 200,
  body: { version: identityVersion(root) },
})

const identityVersion = (root: string): object => ({
  id: 'v3.14',
  status: 'stable',
  updated: '2020-04-07T00:00:00Z',
  links: [{ rel: 'self', href: `${root}/v3/` }],
  'media-types': [{ base: 'application/json', type: 'application/vnd.openstack.identity-v3+json' }],
})

/** Glance's list of versions, at its root and below it alike; the status is 300. */
export const imageVersions = (root: string): VersionDocument => ({
  status: 300,
  body: {
    versions: ['v2.9', 'v2.7', 'v2.6', 'v2.5', 'v2.4', 'v2.3', 'v2.2', 'v2.1', 'v2.0'].map((id, index) => ({
      id,
      status: index === 0 ? 'CURRENT' : 'SUPPORTED',
      links: [{ rel: 'self', href: `${root}/v2/` }],
    })),
  },
})

/** Neutron's list of versions (`/network`). */
export const networkVersions = (root: string): VersionDocument => ({
  status: 200,
  body: { versions: [{ id: 'v2.0', status: 'CURRENT', links: [{ rel: 'self', href: `${root}/v2.0/` }] }] },
})

/** Neutron's list of resources (`/network/v2.0`); there are none yet. */
export const networkResources = (): VersionDocument => ({ status: 200, body: { resources: [] } })

/** What stands at `/` of the process: where each service is. */
export const processIndex = (rootOf: (service: Service) => string): VersionDocument => ({
  status: 200,
  body: {
    lodge: { services: Object.fromEntries(Object.values(services).map((one) => [one.name, rootOf(one)])) },
  },
})

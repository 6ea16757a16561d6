/** The route tables of all services as data, for tests that go through every row. */
import type { ApiServices, Route } from '../../src/api/common/route.ts'
import { computeRoutes } from '../../src/api/compute/compute-routes.ts'
import { identityRoutes } from '../../src/api/identity/routes.ts'
import { imageRoutes } from '../../src/api/image/routes.ts'
import { networkRoutes } from '../../src/api/network/routes.ts'
import { defaultConfig } from '../../src/base/config.ts'

export type ServiceName = 'compute' | 'identity' | 'image' | 'network'

export interface Row extends Omit<Route, 'handler'> {
  service: ServiceName
  /** What stands before the row's path. */
  root: string
}

/** Tables are made without being asked anything, so what they would work with may be missing. */
const services = { config: defaultConfig, store: {} } as ApiServices

const tables: [ServiceName, string, Route[]][] = [
  ['compute', '/compute/v2.1', computeRoutes(services)],
  ['identity', '/identity/v3', identityRoutes(services)],
  ['image', '/image/v2', imageRoutes(services)],
  ['network', '/network/v2.0', networkRoutes(services)],
]

export const rows: Row[] = tables.flatMap(([service, root, routes]) =>
  routes.map((route) => ({ ...route, service, root })),
)

/** `GET /compute/v2.1/servers/:id`, with the action if there is one. */
export const rowName = ({ method, root, path, action }: Row): string =>
  `${method} ${root}${path}${action === undefined ? '' : ` ${action}`}`

/** The row's path with its parameters filled in by name. */
export const rowPath = ({ root, path }: Row, valueOf: (parameter: string) => string): string =>
  root + path.replaceAll(/:(\w+)/g, (_all, parameter: string) => valueOf(parameter))

import type { ApiServices, Route } from '../common/route.ts'
import { aggregateRoutes } from './aggregates/aggregate-routes.ts'
import { availabilityZoneRoutes } from './availability-zones/availability-zone-routes.ts'
import { extensionRoutes } from './extensions/extension-routes.ts'
import { extraSpecRoutes } from './flavors/extra-spec-routes.ts'
import { flavorAccessRoutes } from './flavors/flavor-access-routes.ts'
import { flavorRoutes } from './flavors/flavor-routes.ts'
import { hostRoutes } from './hosts/host-routes.ts'
import { hypervisorRoutes } from './hypervisors/hypervisor-routes.ts'
import { oldHypervisorRoutes } from './hypervisors/old-hypervisor-routes.ts'
import { imageMetadataRoutes } from './images/image-metadata-routes.ts'
import { imageProxyRoutes } from './images/image-routes.ts'
import { keyPairRoutes } from './key-pairs/key-pair-routes.ts'
import { limitRoutes } from './limits/limit-routes.ts'
import { migrationRoutes } from './migrations/migration-routes.ts'
import { quotaClassRoutes } from './quotas/quota-class-routes.ts'
import { quotaSetRoutes } from './quotas/quota-set-routes.ts'
import { removedRoutes } from './removed/removed-routes.ts'
import { serverGroupRoutes } from './server-groups/server-group-routes.ts'
import { serverRoutes } from './servers/server-routes.ts'
import { serviceRoutes } from './services/service-routes.ts'
import { usageRoutes } from './usage/usage-routes.ts'

/** All routes of the compute service. */
export const computeRoutes = (services: ApiServices): Route[] => [
  ...serverRoutes(services),
  ...flavorRoutes(services),
  ...extraSpecRoutes(services),
  ...flavorAccessRoutes(services),
  ...keyPairRoutes(services),
  ...limitRoutes(services),
  ...quotaSetRoutes(services),
  ...quotaClassRoutes(services),
  ...hypervisorRoutes(services),
  ...oldHypervisorRoutes(services),
  ...hostRoutes(services),
  ...serviceRoutes(services),
  ...availabilityZoneRoutes(services),
  ...aggregateRoutes(services),
  ...serverGroupRoutes(services),
  ...migrationRoutes(services),
  ...usageRoutes(services),
  ...extensionRoutes(),
  ...imageProxyRoutes(services),
  ...imageMetadataRoutes(services),
  ...removedRoutes(),
]

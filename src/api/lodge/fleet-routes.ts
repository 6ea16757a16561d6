import type { ApiServices, Route } from '../common/route.ts'
import { agentImageRoutes } from './agent-image-routes.ts'
import type { FleetDoor } from './fleet-door.ts'
import { joinRoutes } from './join-routes.ts'

/** What a controller with agents elsewhere has beside the rest of `/lodge/v1`. */
export const fleetRoutes = (services: ApiServices, door: FleetDoor): Route[] => [
  ...joinRoutes(services, door),
  ...agentImageRoutes(services, door),
]

import type { ApiServices, Route } from '../common/route.ts'
import { drainRoutes } from './drain-routes.ts'
import { migrationForecastRoutes } from './migration-forecast-routes.ts'
import { placementRoutes } from './placement-routes.ts'

/** What Lodge has beyond OpenStack's APIs, below `/lodge/v1`. */
export const lodgeRoutes = (services: ApiServices): Route[] => [
  ...placementRoutes(services),
  ...drainRoutes(services),
  ...migrationForecastRoutes(services),
]

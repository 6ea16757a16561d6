import type { ApiServices, Route } from '../common/route.ts'
import { authListRoutes } from './auth-lists.ts'
import { catalogListRoutes } from './catalog-lists.ts'
import { domainRoutes } from './domains.ts'
import { projectRoutes } from './projects.ts'
import { roleAssignmentRoutes } from './role-assignments.ts'
import { roleGrantRoutes } from './role-grants.ts'
import { roleRoutes } from './roles.ts'
import { tokenRoutes } from './tokens.ts'
import { userRoutes } from './users.ts'

/** Identity's table of routes, below `/identity/v3`. */
export const identityRoutes = (services: ApiServices): Route[] => [
  ...tokenRoutes(services),
  ...authListRoutes(services),
  ...userRoutes(services),
  ...projectRoutes(services),
  ...domainRoutes(services),
  ...roleRoutes(services),
  ...roleGrantRoutes(services),
  ...roleAssignmentRoutes(services),
  ...catalogListRoutes(services),
]

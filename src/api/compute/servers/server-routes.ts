import type { ApiServices, Route } from '../../common/route.ts'
import { attachmentRoutes } from './attachment-routes.ts'
import { consoleOutputRoute } from './console-output.ts'
import { createBackupRoute } from './create-backup.ts'
import { createImageRoute } from './create-image.ts'
import { createServerRoute } from './create-server.ts'
import { deleteServerRoutes } from './delete-server.ts'
import { diagnosticsRoute } from './diagnostics.ts'
import { instanceActionRoutes } from './instance-action-routes.ts'
import { listServersRoutes } from './list-servers.ts'
import { liveMigrateRoute } from './live-migrate.ts'
import { lockRoutes } from './lock-server.ts'
import { metadataRoutes } from './metadata-routes.ts'
import { evacuateRoute } from './moves/evacuate-route.ts'
import { migrateRoute } from './moves/migrate-route.ts'
import { resizeRoutes } from './moves/resize-routes.ts'
import { powerActionRoutes } from './power-actions.ts'
import { rebuildServerRoute } from './rebuild-server.ts'
import { resetStateRoute } from './reset-state.ts'
import { serverMigrationRoutes } from './server-migration-routes.ts'
import { showServerRoute } from './show-server.ts'
import { tagRoutes } from './tag-routes.ts'
import { updateServerRoute } from './update-server.ts'

/** All below `/servers`. */
export const serverRoutes = (services: ApiServices): Route[] => [
  ...listServersRoutes(services),
  createServerRoute(services),
  showServerRoute(services),
  updateServerRoute(services),
  ...deleteServerRoutes(services),
  ...powerActionRoutes(services),
  createImageRoute(services),
  createBackupRoute(services),
  rebuildServerRoute(services),
  ...resizeRoutes(services),
  migrateRoute(services),
  evacuateRoute(services),
  liveMigrateRoute(services),
  ...lockRoutes(services),
  consoleOutputRoute(services),
  diagnosticsRoute(services),
  resetStateRoute(services),
  ...metadataRoutes(services),
  ...tagRoutes(services),
  ...attachmentRoutes(services),
  ...instanceActionRoutes(services),
  ...serverMigrationRoutes(services),
]

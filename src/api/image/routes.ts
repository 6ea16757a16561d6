import type { ApiServices, Route } from '../common/route.ts'
import { createImageRoute } from './create-image.ts'
import { imageDataRoutes } from './image-data.ts'
import { imageRoutesOf } from './image-routes.ts'
import { listImagesRoute } from './list-images.ts'
import { imageSchemaRoutes } from './schemas.ts'
import { imageTagRoutes } from './tags.ts'
import { updateImageRoute } from './update-image.ts'

/** The image service's table of routes, below `/image/v2`. */
export const imageRoutes = (services: ApiServices): Route[] => [
  listImagesRoute(services),
  createImageRoute(services),
  ...imageRoutesOf(services),
  updateImageRoute(services),
  ...imageDataRoutes(services),
  ...imageTagRoutes(services),
  ...imageSchemaRoutes(),
]

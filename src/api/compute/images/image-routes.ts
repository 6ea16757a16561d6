import { LodgeError } from '../../../base/errors.ts'
import { deleteImage } from '../../../store/images.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { noSuchImage, ownImage, visibleImage } from '../../image/access.ts'
import { imageList, listImagesQuery } from './list-images.ts'
import { imageSummary, imageView } from './image-view.ts'

/** The last microversion at which compute shows images; clients of later ones ask the image service. */
const max = 35

export const imageProxyRoutes = (services: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/images',
    max,
    policy: 'images:index',
    role: 'any',
    success: 200,
    query: listImagesQuery,
    summary: 'Lists images, with id and name',
    handler: (request) => imageList(services, request, '/images', imageSummary),
  },
  {
    method: 'GET',
    path: '/images/detail',
    max,
    policy: 'images:detail',
    role: 'any',
    success: 200,
    query: listImagesQuery,
    summary: 'Lists images in full',
    handler: (request) => imageList(services, request, '/images/detail', imageView),
  },
  {
    method: 'GET',
    path: '/images/:id',
    max,
    policy: 'images:show',
    role: 'any',
    success: 200,
    summary: 'Shows an image',
    handler: async (request) => {
      const image = await visibleImage(services.store.db, request.params['id'] ?? '', request.caller)
      return { body: { image: imageView(image, services, request) } }
    },
  },
  {
    method: 'DELETE',
    path: '/images/:id',
    max,
    policy: 'images:delete',
    role: 'any',
    success: 204,
    summary: 'Deletes an image with its data',
    handler: async (request) => {
      const { store, imageFiles } = services
      const image = await ownImage(store.db, request.params['id'] ?? '', request.caller, 'delete_image')
      if (image.protected)
        throw new LodgeError('forbidden', `Image ${image.id} is protected and cannot be deleted.`)
      // The record first: data without a record is swept up later, a record without data would be a lie.
      if (!(await deleteImage(store.db, image.id))) throw noSuchImage(image.id)
      await imageFiles.remove(image.id)
      return {}
    },
  },
]

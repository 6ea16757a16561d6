import { LodgeError } from '../../base/errors.ts'
import type { ImageStatus } from '../../model/image.ts'
import { deleteImage, updateImage } from '../../store/images.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { noSuchImage, ownImage, visibleImage } from './access.ts'
import { imageView } from './image-view.ts'

/** One image: show, delete, deactivate, reactivate, its members (none) and imports (none). */
export function imageRoutesOf({ store, clock, imageFiles }: ApiServices): Route[] {
  const { db } = store

  async function remove(request: ApiRequest) {
    const image = await ownImage(db, request.params['id']!, request.caller, 'delete_image')
    if (image.protected)
      throw new LodgeError('forbidden', `Image ${image.id} is protected and cannot be deleted.`)
    // The record first: data without a record is swept up later, a record without data would be a lie.
    if (!(await deleteImage(db, image.id))) throw noSuchImage(image.id)
    await imageFiles.remove(image.id)
    return {}
  }

  async function change(request: ApiRequest, from: ImageStatus, to: ImageStatus) {
    const policy = to === 'active' ? 'reactivate' : 'deactivate'
    const image = await ownImage(db, request.params['id']!, request.caller, policy)
    if (image.status === to) return {}
    if (!(await updateImage(db, image.id, { status: to }, clock.now(), [from])))
      throw new LodgeError('forbidden', `The status of an image cannot go from ${image.status} to ${to}.`)
    return {}
  }

  return [
    {
      method: 'GET',
      path: '/images/:id',
      policy: 'get_image',
      role: 'reader',
      success: 200,
      summary: 'Shows an image',
      handler: async (request) => ({
        body: imageView(await visibleImage(db, request.params['id']!, request.caller)),
      }),
    },
    {
      method: 'DELETE',
      path: '/images/:id',
      policy: 'delete_image',
      role: 'member',
      success: 204,
      summary: 'Deletes an image with its data',
      handler: remove,
    },
    {
      method: 'POST',
      path: '/images/:id/actions/deactivate',
      policy: 'deactivate',
      role: 'member',
      success: 204,
      summary: 'Keeps everyone but administrators from the data of an image',
      handler: (request) => change(request, 'active', 'deactivated'),
    },
    {
      method: 'POST',
      path: '/images/:id/actions/reactivate',
      policy: 'reactivate',
      role: 'member',
      success: 204,
      summary: 'Undoes a deactivation',
      handler: (request) => change(request, 'deactivated', 'active'),
    },
    {
      method: 'GET',
      path: '/images/:id/members',
      policy: 'get_members',
      role: 'reader',
      success: 200,
      summary: 'Lists the projects that an image is shared with, of which there are none',
      handler: async (request) => {
        await visibleImage(db, request.params['id']!, request.caller)
        return { body: { members: [], schema: '/v2/schemas/members' } }
      },
    },
    {
      method: 'POST',
      path: '/images/:id/import',
      policy: 'modify_image',
      role: 'member',
      success: 202,
      summary: 'Refuses imports: data comes by upload',
      handler: async (request) => {
        await ownImage(db, request.params['id']!, request.caller, 'modify_image')
        throw new LodgeError(
          'badRequest',
          'No import method is enabled: send the data with PUT /v2/images/{image_id}/file.',
        )
      },
    },
    {
      method: 'GET',
      path: '/info/import',
      policy: 'get_image',
      role: 'any',
      success: 200,
      summary: 'Lists the import methods, of which there are none',
      handler: async () => ({
        body: {
          'import-methods': { description: 'Import methods available.', type: 'array', value: [] },
        },
      }),
    },
  ]
}

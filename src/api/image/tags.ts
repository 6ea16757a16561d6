import { LodgeError } from '../../base/errors.ts'
import { updateImage } from '../../store/images.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import { ownImage } from './access.ts'
import { checkCounts } from './attributes.ts'

/** PUT and DELETE of /images/{id}/tags/{tag}. */
export function imageTagRoutes({ store, clock }: ApiServices): Route[] {
  async function change(request: ApiRequest, changed: (tags: Set<string>, tag: string) => void) {
    const tag = request.params['tag']!
    await store.transaction(async (trx) => {
      const image = await ownImage(trx, request.params['id']!, request.caller, 'modify_image')
      const tags = new Set(image.tags)
      changed(tags, tag)
      const sorted = [...tags].sort()
      checkCounts({ properties: {}, tags: sorted })
      await updateImage(trx, image.id, { tags: sorted }, clock.now())
    })
    return {}
  }

  return [
    {
      method: 'PUT',
      path: '/images/:id/tags/:tag',
      policy: 'modify_image',
      role: 'member',
      success: 204,
      summary: 'Gives an image a tag',
      handler: (request) =>
        change(request, (tags, tag) => {
          if (tag === '' || tag.length > 255 || /\p{Cc}/u.test(tag))
            throw new LodgeError('badRequest', 'A tag is 1 to 255 printable characters.')
          tags.add(tag)
        }),
    },
    {
      method: 'DELETE',
      path: '/images/:id/tags/:tag',
      policy: 'modify_image',
      role: 'member',
      success: 204,
      summary: 'Takes a tag from an image',
      handler: (request) =>
        change(request, (tags, tag) => {
          if (!tags.delete(tag))
            throw new LodgeError('notFound', `The image has no tag ${tag.slice(0, 255)}.`)
        }),
    },
  ]
}

import { LodgeError } from '../../../base/errors.ts'
import { preheatImages } from '../../../conductor/preheat-images.ts'
import type { Aggregate } from '../../../store/aggregates.ts'
import { listServices } from '../../../store/services.ts'
import type { ApiReply, ApiRequest, ApiServices } from '../../common/route.ts'
import { dashed, imageFor } from '../servers/boot-image.ts'
import { isServiceUp } from '../services/service-state.ts'

/** Images of any size, for flavors that nobody knows yet. */
const anyFlavor = { rootGiB: 0, memoryMiB: Infinity }

/**
 * Begins to bring images to the hosts of an aggregate that are up and enabled, and does not wait for it.
 * @throws LodgeError badRequest for images that no server could be made from, or that are named twice
 */
export async function cacheImages(
  { store, config, clock, log, ask }: ApiServices,
  { body, caller }: ApiRequest,
  aggregate: Aggregate,
): Promise<ApiReply> {
  const ids = (body as { cache: { id: string }[] }).cache.map(({ id }) => dashed(id.toLowerCase()))
  if (new Set(ids).size < ids.length) throw new LodgeError('badRequest', 'Duplicate images in request')
  const images = await Promise.all(ids.map((id) => imageFor(store.db, id, anyFlavor, caller)))
  const now = clock.now()
  const ready = (await listServices(store.db, { binary: 'nova-compute' })).filter(
    (service) => !service.disabled && isServiceUp(service, now, config.hosts),
  )
  const names = new Set(ready.map(({ host }) => host))
  const hosts = aggregate.hosts.filter((host) => names.has(host))
  const passedOver = aggregate.hosts.filter((host) => !names.has(host))
  if (passedOver.length > 0)
    log.info({ hosts: passedOver }, 'hosts that are down or disabled get no images ahead of their use')
  void preheatImages({
    ask,
    hosts,
    images,
    parallel: config.fleet.preheatParallel,
    timeoutMs: config.conductor.moveTimeoutSeconds * 1000,
    clock,
    log,
  })
  return {}
}

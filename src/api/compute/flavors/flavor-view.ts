import type { Flavor } from '../../../model/flavor.ts'
import { resourceLinks } from '../../common/links.ts'
import { hasRole } from '../../common/policy.ts'
import type { ApiRequest } from '../../common/route.ts'

type Asker = Pick<ApiRequest, 'version' | 'links' | 'caller'>

/** A flavor in the short list. The description came with 2.55. */
export function flavorSummary(flavor: Flavor, request: Asker): Record<string, unknown> {
  return {
    id: flavor.id,
    name: flavor.name,
    links: resourceLinks(request, `/flavors/${encodeURIComponent(flavor.id)}`),
    ...(request.version >= 55 && { description: flavor.description }),
  }
}

/**
 * A flavor in full. Extra specs came with 2.61, for who may read them; `swap` was an empty text for none until
 * 2.75; `rxtx_factor` and `disabled` went away with 2.102.
 */
export function flavorView(flavor: Flavor, request: Asker): Record<string, unknown> {
  const { version } = request
  return {
    ...flavorSummary(flavor, request),
    ram: flavor.memoryMiB,
    disk: flavor.rootGiB,
    vcpus: flavor.vcpus,
    swap: flavor.swapMiB === 0 && version < 75 ? '' : flavor.swapMiB,
    'OS-FLV-EXT-DATA:ephemeral': flavor.ephemeralGiB,
    'os-flavor-access:is_public': flavor.isPublic,
    ...(version < 102 && {
      'OS-FLV-DISABLED:disabled': flavor.disabled,
      rxtx_factor: flavor.rxtxFactor,
    }),
    ...(version >= 61 && hasRole(request.caller, 'reader') && { extra_specs: flavor.extraSpecs }),
  }
}

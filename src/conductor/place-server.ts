import { reasonsInWords } from '../model/placement-words.ts'
import type { PlacementReasons } from '../model/placement.ts'
import type { Server } from '../model/server.ts'
import type { Resources, ServerFlavor } from '../model/server-spec.ts'
import { place } from '../scheduler/place.ts'
import type { PlaceRequest } from '../scheduler/place-request.ts'
import { requestedResources } from '../scheduler/requested-resources.ts'
import { claimOneOf } from '../store/allocations.ts'
import { hostsOfServers, imagePropertiesOnHosts } from '../store/host-list.ts'
import { lockGroupSpread } from '../store/server-groups.ts'
import type { Db } from '../store/store.ts'
import type { ConductorContext } from './context.ts'

/** Hosts that are tried to be claimed, best first, before the choice is made anew. */
const alternates = 16
/** How often that is done when others were faster at all of them; what they took is read before each. */
const rounds = 10

/** How the details of a fault of the scheduler begin. */
export const noHostMark = 'No host fits: '

export interface PlaceAsk {
  server: Server
  /** Another one than the server has, for a resize. */
  flavor?: ServerFlavor
  /** Filters are not asked. */
  forcedHost?: string | null | undefined
  /** Filters are asked about this host alone. */
  requestedHost?: string | null | undefined
  /** Hosts that failed already, or that the server is to leave. */
  excluded?: readonly string[]
}

export type Placed =
  | { host: string; resources: Resources; reasons: PlacementReasons }
  /** `why`: a sentence for the operator. */
  | { host: null; reasons: PlacementReasons; why: string }

/**
 * Chooses a host for a server and takes its resources, in the given transaction: the choice is the scheduler's, the
 * judge is the claim's conditional update. The server's group is locked first, so that two of its servers that are
 * placed at the same moment do not break its policy. For creates and for every kind of move; whoever calls keeps the
 * reasons (`insertPlacement`) and tells the cache (`hosts.take`) once the rest of its transaction stands.
 */
export async function placeServer(trx: Db, context: ConductorContext, ask: PlaceAsk): Promise<Placed> {
  const { hosts, config, clock } = context
  const flavor = ask.flavor ?? ask.server.flavor
  const resources = requestedResources(flavor)
  const request = await requestOf(trx, context, ask, flavor)
  for (let round = 1; ; round += 1) {
    await hosts.ensure(trx)
    const { candidates, reasons } = place(
      { ...request, upSince: hosts.upSince() },
      hosts.table(),
      config.scheduler,
      alternates,
    )
    const host = await claimOneOf(trx, candidates, { serverId: ask.server.id, resources }, clock.now())
    if (host !== null) return { host, resources, reasons }
    const none = { host, reasons, why: `${noHostMark}${reasonsInWords(reasons)}` }
    if (reasons.forced || round === rounds) return none
    // Others may have left a host since we looked: nobody hears that none fits before all have been read.
    if (candidates.length > 0) hosts.invalidate(candidates)
    else if (!(await hosts.readAll(trx))) return none
  }
}

/** All that the scheduler must be told of a server, looked up. */
async function requestOf(
  trx: Db,
  { config }: ConductorContext,
  { server, forcedHost, requestedHost, excluded = [] }: PlaceAsk,
  flavor: ServerFlavor,
): Promise<Omit<PlaceRequest, 'upSince'>> {
  const { schedulerHints: hints } = server
  const group = hints['group'] === undefined ? undefined : await lockGroupSpread(trx, server.id)
  const same = idsOf(hints['same_host'])
  const { imagePropertiesWeight, imagePropertiesSetting } = config.scheduler
  const looksAtImages = imagePropertiesWeight !== 0 && imagePropertiesSetting.length > 0
  return {
    seed: server.id,
    projectId: server.projectId,
    flavor,
    image: server.image,
    availabilityZone: server.availabilityZone,
    forcedHost: forcedHost ?? null,
    requestedHost: requestedHost ?? null,
    excluded,
    hints,
    sameHosts: same.length === 0 ? null : await hostsOfServers(trx, same),
    differentHosts: await hostsOfServers(trx, idsOf(hints['different_host'])),
    group: group ?? null,
    ...(looksAtImages && { imageProperties: await imagePropertiesOnHosts(trx) }),
  }
}

/** A hint that is one id or several. */
const idsOf = (hint: unknown): string[] => [hint].flat().filter((id) => typeof id === 'string')

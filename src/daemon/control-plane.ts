import type { FastifyInstance } from 'fastify'
import type { ApiServices } from '../api/common/route.ts'
import { computeRoutes } from '../api/compute/compute-routes.ts'
import { createApi } from '../api/http.ts'
import { authenticate } from '../api/identity/authenticate.ts'
import { identityRoutes } from '../api/identity/routes.ts'
import { imageRoutes } from '../api/image/routes.ts'
import type { FleetDoor } from '../api/lodge/fleet-door.ts'
import { fleetRoutes } from '../api/lodge/fleet-routes.ts'
import { lodgeRoutes } from '../api/lodge/routes.ts'
import { networkRoutes } from '../api/network/routes.ts'
import { systemClock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import type { Bus } from '../bus/bus.ts'
import type { ImagePeers } from '../contract/image-peers.ts'
import { createConductor } from '../conductor/conductor.ts'
import { releaseLeases } from '../store/actions.ts'
import type { Store } from '../store/store.ts'
import { bootstrap } from './bootstrap.ts'
import { nextConductorIdentity } from './conductor-identity.ts'
import { createImageFiles, type ImageStore } from './image-files.ts'
import { startImageUpkeep } from './image-upkeep.ts'
import { openStore } from './open-store.ts'
import type { StateDirectory } from './state-directory.ts'

/** What is started, and in this order; each is stopped in the reverse one. */
export type Parts = (() => Promise<void> | void)[]

export interface ControlPlaneOptions {
  config: Config
  log: Logger
  state: StateDirectory
  bus: Bus
  /** Stops of what was started are pushed here, so that whoever started more stops all in order. */
  parts: Parts
  /** Starts what must be there before the first request: the agents of a single process. */
  beforeServing?: (images: ImageStore) => Promise<void>
  /** Other controllers of the fleet. */
  peers?: ImagePeers
  /** For agents elsewhere: how they join, and fetch images over HTTP. */
  doorOf?: (parts: { images: ImageStore; store: Store }) => FleetDoor
}

/**
 * Starts store, conductor and API of a controller. Returns its URL, without a trailing slash.
 * @throws LodgeError unavailable when the store or the port cannot be had
 */
export async function startControlPlane(options: ControlPlaneOptions): Promise<{ url: string }> {
  const { config, log, state, bus, parts } = options
  const clock = systemClock
  const alone = config.store.url === null
  const store = await openStore(config, state, log)
  parts.push(() => store.close())
  const { peers } = options
  const images = createImageFiles({ directory: state.images, store, clock, limits: config.image, peers })
  peers?.serve(images)
  if (alone) {
    const recovered = await images.recover()
    if (recovered.requeued + recovered.removed > 0)
      log.info(recovered, 'cleaned up after uploads that did not end')
  }
  // Others may be in the middle of what looks as if it had died: that is for the upkeep, with patience.
  parts.push(startImageUpkeep({ directory: state.images, images, store, clock, log, peers }))
  const { id, former } = nextConductorIdentity(state.conductorIdFile)
  if (former !== undefined && !alone) await releaseLeases(store.db, former)
  const conductor = createConductor({
    store,
    bus,
    clock,
    config,
    log: log.child({ room: 'conductor' }),
    id,
    takeOverAll: alone,
  })
  await conductor.start()
  parts.push(() => conductor.stop())

  const url = `http://${listenAddress(config.listen)}`
  const identityUrl = config.publicUrls.identity ?? `${url}/identity`
  await bootstrap({ store, cloudsFile: state.cloudsFile, identityUrl, region: config.region })
  await options.beforeServing?.(images)

  const services: ApiServices = {
    store,
    config,
    clock,
    log: log.child({ room: 'api' }),
    wake: () => conductor.wake(),
    ask: (query) => bus.ask(query),
    imageFiles: images,
  }
  const door = options.doorOf?.({ images, store })
  const tables = {
    identity: identityRoutes(services),
    compute: computeRoutes(services),
    image: imageRoutes(services),
    network: networkRoutes(services),
    lodge: [...lodgeRoutes(services), ...(door ? fleetRoutes(services, door) : [])],
  }
  const api = createApi(services, tables, authenticate)
  parts.push(() => closeApi(api))
  await listen(api, config.listen)
  return { url }
}

/** `host:port`, an IPv6 address in brackets. */
const listenAddress = ({ host, port }: Config['listen']): string =>
  host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`

/** How long requests that are under way may take to end, milliseconds. */
const closeMs = 5000

/** A client that is slow, or silent in the middle of a request, must not keep the process from stopping. */
async function closeApi(api: FastifyInstance): Promise<void> {
  const cut = setTimeout(() => api.server.closeAllConnections(), closeMs)
  await api.close()
  clearTimeout(cut)
}

async function listen(api: FastifyInstance, { host, port }: Config['listen']): Promise<void> {
  try {
    await api.listen({ host, port })
  } catch (error) {
    throw new LodgeError('unavailable', `Cannot listen on ${host} port ${port}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

import type { FastifyInstance } from 'fastify'
import { systemClock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import { newUuid } from '../base/ids.ts'
import type { Logger } from '../base/logging.ts'
import type { ApiServices } from '../api/common/route.ts'
import { computeRoutes } from '../api/compute/compute-routes.ts'
import { createApi } from '../api/http.ts'
import { authenticate } from '../api/identity/authenticate.ts'
import { identityRoutes } from '../api/identity/routes.ts'
import { imageRoutes } from '../api/image/routes.ts'
import { lodgeRoutes } from '../api/lodge/routes.ts'
import { networkRoutes } from '../api/network/routes.ts'
import { createInProcessBus } from '../bus/in-process.ts'
import { createConductor } from '../conductor/conductor.ts'
import { bootstrap } from './bootstrap.ts'
import { createImageFiles } from './image-files.ts'
import { startAgents } from './agents.ts'
import { openStore } from './open-store.ts'
import { makeStateDirectory, stateDirectory } from './state-directory.ts'
import { lockState } from './state-lock.ts'
import type { Running } from './supervise.ts'

export interface LodgeUp extends Running {
  /** Where the API listens, without a trailing slash. */
  url: string
  cloudsFile: string
}

/**
 * Starts everything in this process: store, conductor, API, and the agent of this host or simulated ones. What was
 * started is stopped again when a later part fails to start.
 * @throws LodgeError conflict when another process uses the state directory, unavailable without libvirt or port
 */
export async function startUp({ config, log }: { config: Config; log: Logger }): Promise<LodgeUp> {
  const parts: (() => Promise<void> | void)[] = []
  const stop = async (): Promise<void> => {
    for (const stopPart of parts.splice(0).reverse()) await stopPart()
  }
  try {
    const state = stateDirectory(config.stateDirectory)
    makeStateDirectory(state)
    const lock = lockState(state.lock, 1000)
    parts.push(() => lock.release())

    const clock = systemClock
    const store = await openStore(config, state, log)
    parts.push(() => store.close())
    const images = createImageFiles({ directory: state.images, store, clock, limits: config.image })
    const recovered = await images.recover()
    if (recovered.requeued + recovered.removed > 0)
      log.info(recovered, 'cleaned up after uploads that did not end')
    const bus = createInProcessBus()

    const conductor = createConductor({
      store,
      bus,
      clock,
      config,
      log: log.child({ room: 'conductor' }),
      id: newUuid(),
      takeOverAll: config.store.url === null,
    })
    await conductor.start()
    parts.push(() => conductor.stop())

    const url = `http://${listenAddress(config.listen)}`
    const identityUrl = config.publicUrls.identity ?? `${url}/identity`
    await bootstrap({ store, cloudsFile: state.cloudsFile, identityUrl, region: config.region })
    parts.push(await startAgents({ config, state, bus, images, clock, log }))

    const services: ApiServices = {
      store,
      config,
      clock,
      log: log.child({ room: 'api' }),
      wake: () => conductor.wake(),
      ask: (query) => bus.ask(query),
      imageFiles: images,
    }
    const tables = {
      identity: identityRoutes(services),
      compute: computeRoutes(services),
      image: imageRoutes(services),
      network: networkRoutes(services),
      lodge: lodgeRoutes(services),
    }
    const api = createApi(services, tables, authenticate)
    parts.push(() => closeApi(api))
    await listen(api, config.listen)
    log.info({ url, hosts: config.simulate.hosts || 1, state: state.root }, 'Lodge is up')
    return { url, cloudsFile: state.cloudsFile, stop }
  } catch (error) {
    await stop()
    throw error
  }
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

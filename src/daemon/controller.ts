import { existsSync, rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { systemClock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import { connectNats } from '../bus/nats-connect.ts'
import { createImagePeers } from '../bus/nats-image-peers.ts'
import { createNatsBus } from '../bus/nats.ts'
import { startControlPlane, type Parts } from './control-plane.ts'
import { createFleetDoor } from './fleet-door.ts'
import { fleetFiles, readFleetKeys } from './fleet.ts'
import { keepRevocations } from './revocations.ts'
import { makeStateDirectory, stateDirectory } from './state-directory.ts'
import { lockState } from './state-lock.ts'
import type { Running } from './supervise.ts'

export interface Controller extends Running {
  /** Where the API listens, without a trailing slash. */
  url: string
  cloudsFile: string
}

/**
 * Starts a controller: API, scheduler and conductor, with agents elsewhere on NATS. On PostgreSQL several may run;
 * on SQLite there is one.
 * @throws LodgeError badRequest without `bus.url`, conflict when another process uses the state directory,
 * unavailable without NATS, store or port, unauthorized when NATS refuses the credentials
 */
export async function startController({ config, log }: { config: Config; log: Logger }): Promise<Controller> {
  const { url: natsUrl } = config.bus
  if (natsUrl === null)
    throw new LodgeError('badRequest', 'A controller speaks to its agents over NATS: set bus.url')
  const parts: Parts = []
  const stop = async (): Promise<void> => {
    for (const stopPart of parts.splice(0).reverse()) await stopPart()
  }
  try {
    const state = stateDirectory(config.stateDirectory)
    makeStateDirectory(state)
    const lock = lockState(state.lock, 1000)
    parts.push(() => lock.release())

    const connection = await connectNats({
      url: natsUrl,
      credentialsFile: config.bus.credentialsFile ?? ownCredentials(state.root),
      caFile: config.bus.caFile,
      name: `lodge controller ${hostname()}`,
    })
    const bus = createNatsBus({ connection, log: log.child({ room: 'bus' }) })
    parts.push(() => bus.close())
    const keys = readFleetKeys(state.root)
    // Of uploads that the last run did not end.
    const incoming = join(state.root, 'incoming')
    rmSync(incoming, { recursive: true, force: true })
    const { url } = await startControlPlane({
      config,
      log,
      state,
      bus,
      parts,
      ...(config.store.url !== null && { peers: createImagePeers(connection) }),
      doorOf: ({ images, store }) => {
        const revocations = keepRevocations({
          store,
          keys,
          stateDirectory: state.root,
          nats: { url: natsUrl, caFile: config.bus.caFile },
          clock: systemClock,
          log: log.child({ room: 'revocations' }),
        })
        parts.push(() => revocations.stop())
        bus.onReconnect(() => revocations.forgotten())
        return createFleetDoor({ keys, bus: config.bus, images, incoming, revocations })
      },
    })
    log.info({ url, nats: connection.getServer(), state: state.root }, 'the controller is up')
    const lost = bus.closed.then(() => {
      throw new LodgeError('unavailable', 'NATS has closed the connection for good')
    })
    lost.catch(() => {})
    return { url, cloudsFile: state.cloudsFile, stop, failed: lost }
  } catch (error) {
    await stop()
    throw error
  }
}

function ownCredentials(state: string): string | null {
  const { credentials } = fleetFiles(state)
  return existsSync(credentials) ? credentials : null
}

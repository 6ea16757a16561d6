import { systemClock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import type { Logger } from '../base/logging.ts'
import { createInProcessBus } from '../bus/in-process.ts'
import { startAgents } from './agents.ts'
import { startControlPlane, type Parts } from './control-plane.ts'
import type { ImageStore } from './image-files.ts'
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
  const parts: Parts = []
  const stop = async (): Promise<void> => {
    for (const stopPart of parts.splice(0).reverse()) await stopPart()
  }
  try {
    const state = stateDirectory(config.stateDirectory)
    makeStateDirectory(state)
    const lock = lockState(state.lock, 1000)
    parts.push(() => lock.release())

    const bus = createInProcessBus()
    const beforeServing = async (images: ImageStore): Promise<void> => {
      parts.push(await startAgents({ config, state, bus, images, clock: systemClock, log }))
    }
    const { url } = await startControlPlane({ config, log, state, bus, parts, beforeServing })
    log.info({ url, hosts: config.simulate.hosts || 1, state: state.root }, 'Lodge is up')
    return { url, cloudsFile: state.cloudsFile, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

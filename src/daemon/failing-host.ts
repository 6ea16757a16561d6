import type { Agent } from '../agent/agent.ts'
import type { SimulatedHypervisor } from '../hypervisor/simulated/simulated-hypervisor.ts'
import type { FailingHost } from './host-failures.ts'

/** A simulated host that is there from the start on. Stopping it leaves it as it is, failed or not. */
export interface StartedHost extends FailingHost {
  start(): Promise<void>
  stop(): Promise<void>
}

/** @param makeAgent makes the next agent of the host, over the same hypervisor */
export function createFailingHost(
  name: string,
  hypervisor: SimulatedHypervisor,
  makeAgent: () => Agent,
): StartedHost {
  let agent: Agent | undefined = makeAgent()
  let release = (): void => {}

  async function stop(): Promise<void> {
    const stopping = agent
    agent = undefined
    await stopping?.stop()
  }

  return {
    name,
    start: async () => agent?.start(),
    async stop() {
      release()
      await stop()
    },
    async fail(failure) {
      if (failure === 'hang') {
        release = hypervisor.hang()
        return
      }
      await stop()
      if (failure === 'crash') hypervisor.powerFailure()
    },
    async recover(failure) {
      if (failure === 'hang') return release()
      if (failure === 'crash') hypervisor.reconnect()
      agent = makeAgent()
      await agent.start()
    },
  }
}

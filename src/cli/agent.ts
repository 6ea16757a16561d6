import { superviseUntilSignal } from '../daemon/supervise.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'
import { startLogger } from './start-logger.ts'

const allowed: Flag[] = [
  'state',
  'simulate',
  'latency',
  'failures',
  'host-failures',
  'libvirt-uri',
  'config',
  'log-level',
]

/** `lodge agent`: the agent of this host, or simulated ones, for controllers elsewhere. Guests outlive it. */
export const agent: Command = {
  name: 'agent',
  usage: usageOf(allowed),
  summary: 'run the agent of this host, which has joined a fleet',
  run: async (words) => {
    const config = configFromFlags(words, allowed)
    const log = startLogger(config)
    // The packages of NATS are loaded by the commands that speak with it, and by no other.
    const { startAgentProcess } = await import('../daemon/agent-process.ts')
    const running = await startAgentProcess({ config, log })
    console.error(
      running.connected
        ? `The agent of host ${running.host} is up`
        : `The agent of host ${running.host} runs, and waits for NATS`,
    )
    await superviseUntilSignal(running, log)
    return 0
  },
}

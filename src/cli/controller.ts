import { superviseUntilSignal } from '../daemon/supervise.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'
import { startLogger } from './start-logger.ts'

const allowed: Flag[] = ['state', 'listen', 'public-url', 'config', 'log-level']

/** `lodge controller`: API, scheduler and conductor, with agents elsewhere on NATS, until SIGTERM or SIGINT. */
export const controller: Command = {
  name: 'controller',
  usage: usageOf(allowed),
  summary: 'run a controller: API, scheduler and conductor, for agents on other hosts',
  run: async (words) => {
    const config = configFromFlags(words, allowed)
    const log = startLogger(config)
    // The packages of NATS are loaded by the commands that speak with it, and by no other.
    const { startController } = await import('../daemon/controller.ts')
    const running = await startController({ config, log })
    console.error(`The controller is up at ${running.url}`)
    await superviseUntilSignal(running, log)
    return 0
  },
}

import { createLogger } from '../base/logging.ts'
import { startUp } from '../daemon/up.ts'
import { superviseUntilSignal } from '../daemon/supervise.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'

const allowed: Flag[] = ['state', 'listen', 'simulate', 'libvirt-uri', 'public-url', 'config', 'log-level']

/** `lodge up`: everything in one process, until SIGTERM or SIGINT. Guests run on. */
export const up: Command = {
  name: 'up',
  usage: usageOf(allowed),
  summary: 'run everything in one process: API, scheduler, conductor and the agent of this host',
  run: async (words) => {
    const config = configFromFlags(words, allowed)
    const atTerminal = process.stderr.isTTY
    const format = config.log.format === 'auto' ? (atTerminal ? 'pretty' : 'json') : config.log.format
    const log = createLogger({ level: config.log.level, format })
    const running = await startUp({ config, log })
    console.error(`Lodge is up at ${running.url}`)
    console.error(`Try: OS_CLIENT_CONFIG_FILE=${running.cloudsFile} openstack --os-cloud lodge server list`)
    await superviseUntilSignal(running, log)
    return 0
  },
}

import { startUp } from '../daemon/up.ts'
import { superviseUntilSignal } from '../daemon/supervise.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'
import { startLogger } from './start-logger.ts'

const allowed: Flag[] = [
  'state',
  'listen',
  'simulate',
  'latency',
  'failures',
  'host-failures',
  'libvirt-uri',
  'public-url',
  'config',
  'log-level',
]

/** `lodge up`: everything in one process, until SIGTERM or SIGINT. Guests run on. */
export const up: Command = {
  name: 'up',
  usage: usageOf(allowed),
  summary: 'run everything in one process: API, scheduler, conductor and the agent of this host',
  run: async (words) => {
    const config = configFromFlags(words, allowed)
    const log = startLogger(config)
    const running = await startUp({ config, log })
    console.error(`Lodge is up at ${running.url}`)
    console.error(`Try: OS_CLIENT_CONFIG_FILE=${running.cloudsFile} openstack --os-cloud lodge server list`)
    await superviseUntilSignal(running, log)
    return 0
  },
}

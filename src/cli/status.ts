import { readStatus } from '../daemon/status.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'
import { table } from './table.ts'

const allowed: Flag[] = ['state', 'config']

/** `lodge status`: whether Lodge runs on this state directory, its hosts and its servers. Status 1 when it is down. */
export const status: Command = {
  name: 'status',
  usage: usageOf(allowed),
  summary: 'show whether Lodge runs here, its hosts and its servers',
  run: async (words) => {
    const now = await readStatus(configFromFlags(words, allowed))
    console.log(now.running ? 'Lodge is running.' : 'Lodge is not running.')
    console.log(`State: ${now.stateDirectory}`)
    if (now.hosts.length > 0) {
      const rows = now.hosts.map((host) => [
        host.name,
        host.up ? 'up' : 'down',
        host.hypervisor,
        `${host.used.vcpus}/${host.capacity.vcpus}`,
        `${host.used.memoryMiB}/${host.capacity.memoryMiB}`,
        `${host.used.diskGiB}/${host.capacity.diskGiB}`,
        host.accelerationReason,
      ])
      console.log(`\n${table(['HOST', 'STATE', 'TYPE', 'VCPUS', 'MEMORY MiB', 'DISK GiB', 'WHY'], rows)}`)
    }
    const counts = Object.entries(now.serversByStatus).map(([word, count]) => `${count} ${word}`)
    console.log(`\nServers: ${counts.length > 0 ? counts.join(', ') : 'none'}`)
    console.log(`Actions under way: ${now.liveActions}`)
    return now.running ? 0 : 1
  },
}

import { readAgentStatus } from '../daemon/agent-status.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'
import { table } from './table.ts'

const allowed: Flag[] = ['state', 'config']

/** `lodge agent status`: what this host knows of itself, also when no controller answers. Status 1 when it is down. */
export const agentStatus: Command = {
  name: 'agent status',
  usage: usageOf(allowed),
  summary: 'show whether the agent of this host runs, and what it keeps',
  run: async (words) => {
    const now = await readAgentStatus(configFromFlags(words, allowed))
    console.log(now.running ? 'The agent is running.' : 'The agent is not running.')
    console.log(`Host: ${now.host}`)
    console.log(`Controller: ${now.controllerUrl}`)
    console.log(`NATS: ${now.natsUrl}`)
    const servers = now.servers.map(({ serverId, name, wanted }) => [serverId, name, wanted])
    if (servers.length > 0) console.log(`\n${table(['SERVER', 'NAME', 'WANTED'], servers)}`)
    else console.log('\nServers: none')
    const commands = now.unfinished.map(({ serverId, verb, requestId }) => [serverId, verb, requestId])
    if (commands.length > 0) console.log(`\n${table(['SERVER', 'COMMAND UNDER WAY', 'REQUEST'], commands)}`)
    return now.running ? 0 : 1
  },
}

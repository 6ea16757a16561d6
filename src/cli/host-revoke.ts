import { stateDirectory } from '../daemon/state-directory.ts'
import { openCloudApi } from './cloud-api.ts'
import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'

/** `lodge host revoke`: a host's credentials count no more, until it joins again. */
export const hostRevoke: Command = {
  name: 'host revoke',
  usage: 'HOST [--state DIR] [--config FILE]',
  summary: 'refuse the credentials of a host from now on',
  run: async (words) => {
    const { positionals, settings } = parseWords(words, { atMost: 1 })
    const [host] = positionals
    if (host === undefined) throw new UsageError('HOST is missing')
    const config = configFromFlags(settings, ['state', 'config', 'log-level'])
    // The packages of NATS are loaded by the commands that speak with it, and by no other.
    const { revokeKey } = await import('../daemon/fleet.ts')
    const api = await openCloudApi(stateDirectory(config.stateDirectory).cloudsFile)
    const { agent } = (await api.call('DELETE', `/lodge/v1/agents/${encodeURIComponent(host)}`)) as {
      agent: { public_key: string }
    }
    const { serverConfig } = await revokeKey(config.stateDirectory, agent.public_key, Date.now())
    console.log(`Images are refused to ${host} from now on. ${serverConfig} is written anew;`)
    console.log('with its next reload NATS refuses it too: nats-server --signal reload')
    return 0
  },
}

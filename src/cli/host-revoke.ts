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
    const api = await openCloudApi(stateDirectory(config.stateDirectory).cloudsFile)
    const path = `/lodge/v1/agents/${encodeURIComponent(host)}`
    const { nats_refuses: isRefused } = (await api.call('DELETE', path)) as { nats_refuses: boolean }
    if (isRefused) console.log(`${host} is shut out: NATS and the controllers refuse its credentials.`)
    else
      console.log(
        `The controllers refuse ${host}. NATS cannot be told now; it will be as soon as it answers.`,
      )
    return 0
  },
}

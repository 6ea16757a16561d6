import { simulatedFleet } from '../contract/agent-signature.ts'
import { stateDirectory } from '../daemon/state-directory.ts'
import { openCloudApi } from './cloud-api.ts'
import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'

interface Invite {
  token: string
  url: string
  expires_at: string
  ca_fingerprint: string | null
}

/** `lodge host invite`: prints the one command with which a host joins, once. */
export const hostInvite: Command = {
  name: 'host invite',
  usage: '[HOST] [--minutes N] [--simulated] [--state DIR] [--config FILE]',
  summary: 'print the command with which a host joins the fleet, once',
  run: async (words) => {
    const { options, switches, positionals, settings } = parseWords(words, {
      options: ['minutes'],
      switches: ['simulated'],
      atMost: 1,
    })
    const simulated = switches.has('simulated')
    if (simulated && positionals[0] !== undefined) throw new UsageError('--simulated takes no HOST')
    if (options['minutes'] !== undefined && !/^[1-9]\d{0,4}$/.test(options['minutes']))
      throw new UsageError('--minutes wants a number')
    const config = configFromFlags(settings, ['state', 'config', 'log-level'])
    const api = await openCloudApi(stateDirectory(config.stateDirectory).cloudsFile)
    const { invite } = (await api.call('POST', '/lodge/v1/host-invites', {
      invite: {
        host: simulated ? simulatedFleet : (positionals[0] ?? null),
        ...(options['minutes'] !== undefined && { minutes: Number(options['minutes']) }),
      },
    })) as { invite: Invite }
    const fingerprint = invite.ca_fingerprint === null ? '' : ` --ca-fingerprint ${invite.ca_fingerprint}`
    console.error(`On the host, until ${invite.expires_at} and once:`)
    console.log(
      `lodge agent join ${invite.url} --token ${invite.token}${fingerprint}${simulated ? ' --simulated' : ''}`,
    )
    return 0
  },
}

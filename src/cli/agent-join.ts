import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'

/** `lodge agent join`: what `lodge host invite` prints, typed on the host that is to join. */
export const agentJoin: Command = {
  name: 'agent join',
  usage: 'URL --token TOKEN [--ca-fingerprint SHA256] [--simulated] [--state DIR] [--config FILE]',
  summary: 'make this host part of a fleet, with the token of an invite',
  run: async (words) => {
    const { options, switches, positionals, settings } = parseWords(words, {
      options: ['token', 'ca-fingerprint'],
      switches: ['simulated'],
      atMost: 1,
    })
    const [url] = positionals
    const { token, 'ca-fingerprint': caFingerprint } = options
    if (url === undefined || !/^https?:\/\/[^\s/]/.test(url)) throw new UsageError('the URL is missing')
    if (token === undefined) throw new UsageError('--token is missing')
    // The packages of NATS are loaded by the commands that speak with it, and by no other.
    const { joinFleet } = await import('../daemon/join-fleet.ts')
    const host = await joinFleet({
      config: configFromFlags(settings, ['state', 'config', 'log-level']),
      url,
      token,
      simulated: switches.has('simulated'),
      ...(caFingerprint !== undefined && { caFingerprint }),
    })
    const start = switches.has('simulated') ? 'lodge agent --simulate N' : 'lodge agent'
    console.log(`Host ${host} has joined. Start its agent: ${start}`)
    return 0
  },
}

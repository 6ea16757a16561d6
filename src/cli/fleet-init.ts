import { loadConfig } from '../base/load-config.ts'
import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'

/** `lodge fleet init`: keys of a new fleet, and the configuration that nats-server is started with. */
export const fleetInit: Command = {
  name: 'fleet init',
  usage: '[--nats-listen HOST:PORT] [--tls-cert FILE --tls-key FILE] [--state DIR] [--config FILE]',
  summary: 'make the keys of a fleet and the configuration for its nats-server',
  run: async (words) => {
    const { options, settings } = parseWords(words, { options: ['nats-listen', 'tls-cert', 'tls-key'] })
    const config = configFromFlags(settings, ['state', 'config', 'log-level'])
    const { 'tls-cert': certificateFile, 'tls-key': keyFile } = options
    if ((certificateFile === undefined) !== (keyFile === undefined))
      throw new UsageError('--tls-cert and --tls-key belong together')
    const tls = certificateFile !== undefined && keyFile !== undefined ? { certificateFile, keyFile } : null
    // The packages of NATS are loaded by the commands that speak with it, and by no other.
    const { initFleet } = await import('../daemon/fleet.ts')
    const files = await initFleet(config.stateDirectory, { ...listenOf(options['nats-listen']), tls })
    console.log(`Keys:        ${files.keys} (keep it secret; controllers of one fleet have copies)`)
    console.log(`Start NATS:  nats-server -c ${files.serverConfig}`)
    console.log('Then:        lodge controller, with bus.url in its settings')
    return 0
  },
}

/** As `--listen` has it. */
function listenOf(text: string | undefined): { host: string; port: number } {
  if (text === undefined) return { host: '0.0.0.0', port: 4222 }
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined) throw new UsageError(`--nats-listen wants HOST:PORT, not '${text}'`)
  return loadConfig(undefined, { listen: { host, port: Number(port) } }).listen
}

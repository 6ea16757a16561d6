import { parseArgs, type ParseArgsConfig } from 'node:util'
import { messageOf } from '../base/errors.ts'
import { loadConfig } from '../base/load-config.ts'
import type { Config } from '../base/config.ts'
import type { PartialConfig } from '../base/config-schema.ts'

/** The words of a command were wrong. The message is one line; `run` adds the usage. */
export class UsageError extends Error {}

const flags = {
  config: { type: 'string' },
  state: { type: 'string' },
  listen: { type: 'string' },
  simulate: { type: 'string' },
  latency: { type: 'string' },
  failures: { type: 'string' },
  'host-failures': { type: 'string' },
  'libvirt-uri': { type: 'string' },
  'public-url': { type: 'string' },
  'log-level': { type: 'string' },
} as const satisfies ParseArgsConfig['options']

export type Flag = keyof typeof flags

/** How a flag is written in a usage line. */
const shapes: Record<Flag, string> = {
  config: '--config FILE',
  state: '--state DIR',
  listen: '--listen HOST:PORT',
  simulate: '--simulate N',
  latency: '--latency VERB=MS[-MS],...',
  failures: '--failures VERB=SHARE,...',
  'host-failures': '--host-failures SECONDS',
  'libvirt-uri': '--libvirt-uri URI',
  'public-url': '--public-url URL',
  'log-level': '--log-level LEVEL',
}

/** `[--state DIR] [--listen HOST:PORT]` */
export const usageOf = (allowed: readonly Flag[]): string =>
  allowed.map((flag) => `[${shapes[flag]}]`).join(' ')

/**
 * The settings that a command's words ask for, on top of the settings file.
 * @throws UsageError for words that are not understood, LodgeError badRequest for settings that do not fit
 */
export function configFromFlags(words: string[], allowed: readonly Flag[]): Config {
  const values = parse(words, allowed)
  const config = loadConfig(values.config ?? process.env['LODGE_CONFIG'], {
    ...(values.state !== undefined && { stateDirectory: values.state }),
    ...(values.listen !== undefined && { listen: parseListen(values.listen) }),
    ...simulateOf(values),
    ...(values['libvirt-uri'] !== undefined && { agent: { libvirtUri: values['libvirt-uri'] } }),
    ...(values['public-url'] !== undefined && { publicUrls: publicUrlsBelow(values['public-url']) }),
    ...(values['log-level'] !== undefined && {
      log: { level: values['log-level'] as Config['log']['level'] },
    }),
  })
  const unused = mishaps.find((flag) => values[flag] !== undefined && config.simulate.hosts === 0)
  if (unused !== undefined) throw new UsageError(`--${unused} is for simulated hosts: --simulate N`)
  return config
}

/** What simulated hosts are told to suffer. */
const mishaps = ['latency', 'failures', 'host-failures'] as const

function simulateOf(values: Partial<Record<Flag, string>>): Pick<PartialConfig, 'simulate'> {
  const { simulate, latency, failures, 'host-failures': hostFailures } = values
  return {
    simulate: {
      ...(simulate !== undefined && { hosts: parseCount(simulate) }),
      ...(latency !== undefined && { latencies: latency.split(',') }),
      ...(failures !== undefined && { failures: failures.split(',') }),
      ...(hostFailures !== undefined && { hostFailureSeconds: parseSeconds(hostFailures) }),
    },
  }
}

function parse(words: string[], allowed: readonly Flag[]): Partial<Record<Flag, string>> {
  const options = Object.fromEntries(allowed.map((flag) => [flag, flags[flag]]))
  try {
    return parseArgs({ args: words, options, strict: true }).values as Partial<Record<Flag, string>>
  } catch (error) {
    throw new UsageError(messageOf(error).split('. ')[0])
  }
}

function parseListen(text: string): Config['listen'] {
  const [, bracketed, plain, port] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? []
  const host = bracketed ?? plain
  if (host === undefined) throw new UsageError(`--listen wants HOST:PORT, not '${text}'`)
  return { host, port: Number(port) }
}

function parseCount(text: string): number {
  if (!/^\d{1,6}$/.test(text)) throw new UsageError(`--simulate wants a number of hosts, not '${text}'`)
  return Number(text)
}

function parseSeconds(text: string): number {
  if (!/^\d{1,9}$/.test(text)) throw new UsageError(`--host-failures wants seconds, not '${text}'`)
  return Number(text)
}

/** All services below one URL, as behind a reverse proxy. */
function publicUrlsBelow(url: string): NonNullable<PartialConfig['publicUrls']> {
  if (!/^https?:\/\/[^\s/]/.test(url)) throw new UsageError(`--public-url wants http://HOST, not '${url}'`)
  const base = url.replace(/\/+$/, '')
  return {
    identity: `${base}/identity`,
    compute: `${base}/compute`,
    image: `${base}/image`,
    network: `${base}/network`,
    lodge: `${base}/lodge`,
  }
}

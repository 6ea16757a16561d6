import type { Clock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import type { Command } from '../contract/command.ts'
import { isVerb } from './server/verbs.ts'
import type { Done } from './server/verb.ts'

/** What is done about a command beside its work. */
export type AroundCommand = (
  command: Command,
  signal: AbortSignal,
  work: () => Promise<Done>,
) => Promise<Done>

/** By verb, `*` for those that are not named. */
export interface CommandMishaps {
  /** Milliseconds, from and to. */
  latencies: ReadonlyMap<string, readonly [number, number]>
  /** The share that fails, 0 to 1. */
  failures: ReadonlyMap<string, number>
}

/**
 * How slow commands are on simulated hosts, and how many fail, from the words of the settings.
 * @throws LodgeError badRequest for a verb that there is not, or a range from more to less
 */
export function readMishaps(settings: Config['simulate']): CommandMishaps {
  const latencies = settings.latencies.map((word) => {
    const [verb, range] = split(word)
    const [from = 0, to = from] = range.split('-').map(Number)
    if (to < from) throw new LodgeError('badRequest', `simulate.latencies: ${word} goes from more to less`)
    return [verb, [from, to]] as const
  })
  const failures = settings.failures.map((word) => {
    const [verb, share] = split(word)
    return [verb, Number(share)] as const
  })
  return { latencies: new Map(latencies), failures: new Map(failures) }
}

/** Delays each command and lets some fail before they have done anything, at random. */
export function aroundCommands(
  { latencies, failures }: CommandMishaps,
  clock: Clock,
  random: () => number,
): AroundCommand | undefined {
  if (latencies.size === 0 && failures.size === 0) return undefined
  return async ({ verb }, signal, work) => {
    const [from, to] = latencies.get(verb) ?? latencies.get('*') ?? [0, 0]
    const fails = random() < (failures.get(verb) ?? failures.get('*') ?? 0)
    const ms = from + random() * (to - from)
    if (ms > 0) await clock.sleep(ms, signal)
    signal.throwIfAborted()
    if (fails) throw new LodgeError('internal', `A simulated failure of ${verb}`)
    return work()
  }
}

function split(word: string): [string, string] {
  const [verb = '', value = ''] = word.split('=')
  if (verb !== '*' && !isVerb(verb))
    throw new LodgeError(
      'badRequest',
      `There is no command '${verb}' to be slow or to fail; spawn, destroy, start, stop and migrateLive are some, * is all`,
    )
  return [verb, value]
}

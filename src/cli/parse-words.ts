import { parseArgs, type ParseArgsConfig } from 'node:util'
import { messageOf } from '../base/errors.ts'
import { UsageError } from './flags.ts'

export interface Words {
  /** Values of the options that were given. */
  options: Record<string, string>
  /** The options without a value that were given. */
  switches: Set<string>
  positionals: string[]
  /** What `configFromFlags` understands, as it was typed. */
  settings: string[]
}

/** Options that are settings of every command. */
const settingsFlags = ['state', 'config', 'log-level']

/**
 * The words of a command that has options of its own beside settings.
 * @throws UsageError for an option that is not known, or for more than `atMost` other words
 */
export function parseWords(
  words: string[],
  { options = [], switches = [], atMost = 0 }: { options?: string[]; switches?: string[]; atMost?: number },
): Words {
  const known: NonNullable<ParseArgsConfig['options']> = {}
  for (const name of [...options, ...settingsFlags]) known[name] = { type: 'string' }
  for (const name of switches) known[name] = { type: 'boolean' }
  let parsed
  try {
    parsed = parseArgs({ args: words, options: known, strict: true, allowPositionals: true })
  } catch (error) {
    throw new UsageError(messageOf(error).split('. ')[0])
  }
  if (parsed.positionals.length > atMost)
    throw new UsageError(`'${parsed.positionals[atMost]}' is one word too many`)
  const given = Object.entries(parsed.values)
  const texts = given.filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return {
    options: Object.fromEntries(texts),
    switches: new Set(given.filter(([, value]) => value === true).map(([name]) => name)),
    positionals: parsed.positionals,
    settings: texts
      .filter(([name]) => settingsFlags.includes(name))
      .flatMap(([name, value]) => [`--${name}`, value]),
  }
}

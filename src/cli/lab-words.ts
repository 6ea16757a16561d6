import { parseArgs } from 'node:util'
import { messageOf } from '../base/errors.ts'
import type { LabHost } from '../lab/lab.ts'
import { openLab } from '../lab/open-lab.ts'
import { UsageError } from './flags.ts'

/** Where a lab is when `--dir` does not say. */
const defaultDirectory = '/var/lib/lodge-lab'

export interface LabWords {
  directory: string
  hosts: string | undefined
  bare: boolean
  sharedStorage: boolean
  /** What is no option. */
  others: string[]
}

const upOptions = {
  hosts: { type: 'string' },
  bare: { type: 'boolean' },
  'shared-storage': { type: 'boolean' },
} as const

interface UpValues {
  dir?: string
  hosts?: string
  bare?: boolean
  'shared-storage'?: boolean
}

/** @throws UsageError for options that are not understood */
export function parseLabWords(words: string[], which: { up?: boolean } = {}): LabWords {
  try {
    const { values, positionals } = parseArgs({
      args: words,
      options: { dir: { type: 'string' }, ...(which.up && upOptions) },
      allowPositionals: true,
    })
    const { dir, hosts, bare = false, ...up } = values as UpValues
    return {
      directory: dir ?? defaultDirectory,
      hosts,
      bare,
      sharedStorage: up['shared-storage'] ?? false,
      others: positionals,
    }
  } catch (error) {
    throw new UsageError(messageOf(error).split('. ')[0])
  }
}

/** The directory alone; any other word is one too many. @throws UsageError */
export function directoryIn(words: string[]): string {
  const { directory, others } = parseLabWords(words)
  if (others.length > 0) throw new UsageError(`'${others[0]}' is one word too many`)
  return directory
}

/** The one host that the words name. @throws UsageError, LodgeError notFound when no lab runs */
export function hostIn(words: string[]): LabHost {
  const { directory, others } = parseLabWords(words)
  const [number, ...more] = others
  if (number === undefined) throw new UsageError('which host? Say its number')
  if (more.length > 0) throw new UsageError(`'${more[0]}' is one word too many`)
  return hostOf(directory, number)
}

/** @throws UsageError if the lab has no such host, LodgeError notFound when no lab runs */
export function hostOf(directory: string, number: string): LabHost {
  const { hosts } = openLab(directory)
  const host = /^\d{1,3}$/.test(number) ? hosts[Number(number) - 1] : undefined
  if (!host) throw new UsageError(`there is no host '${number}'; this lab has 1 to ${hosts.length}`)
  return host
}

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { LodgeError } from '../../../src/base/errors.ts'

export interface Skip {
  pattern: RegExp
  reason: string
}

export const skipsFile = join(import.meta.dirname, 'skips.txt')

/**
 * Reads the list of tests that are not run, in the form of stestr's exclude lists: `regex # reason` on each line.
 * @throws LodgeError badRequest for a line without a reason
 */
export function readSkips(file = skipsFile): Skip[] {
  return readFileSync(file, 'utf8')
    .split('\n')
    .filter((line) => line.trim() !== '' && !line.startsWith('#'))
    .map((line) => {
      const [, pattern, reason] = /^(\S+)\s+#\s*(\S.*)$/.exec(line) ?? []
      if (!pattern || !reason) throw new LodgeError('badRequest', `${file}: no reason given in: ${line}`)
      return { pattern: new RegExp(pattern), reason }
    })
}

export interface Selection {
  run: string[]
  /** Those not run, by reason. */
  skipped: Map<string, string[]>
  /** Lines of the list that fit no test: they are out of date. */
  unused: Skip[]
}

/** Divides the tests; the first line that fits a test gives its reason. */
export function select(tests: string[], skips: Skip[]): Selection {
  const skipped = new Map<string, string[]>()
  const used = new Set<Skip>()
  const run = tests.filter((test) => {
    const fitting = skips.filter(({ pattern }) => pattern.test(test))
    for (const skip of fitting) used.add(skip)
    const first = fitting[0]
    if (first) skipped.set(first.reason, [...(skipped.get(first.reason) ?? []), test])
    return first === undefined
  })
  return { run, skipped, unused: skips.filter((skip) => !used.has(skip)) }
}

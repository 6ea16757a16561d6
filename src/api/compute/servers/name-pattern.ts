import { createContext, Script } from 'node:vm'
import { LodgeError } from '../../../base/errors.ts'

/** Time that all patterns of one request together may take for a batch of rows. */
const timeoutMs = 50

const script = new Script('run()')

/**
 * Tests texts against a client's regular expressions. A pattern can be written so that it never ends, so the tests
 * run where V8 can stop them.
 * @throws LodgeError badRequest for a pattern that is none, or takes too long
 */
export function matchAll(patterns: readonly string[], rows: readonly (readonly string[])[]): boolean[] {
  const expressions = patterns.map(compile)
  const run = (): boolean[] =>
    rows.map((texts) => texts.every((text, index) => expressions[index]!.test(text)))
  try {
    return script.runInContext(createContext({ run }), { timeout: timeoutMs }) as boolean[]
  } catch (cause) {
    if ((cause as { code?: unknown }).code !== 'ERR_SCRIPT_EXECUTION_TIMEOUT') throw cause
    throw new LodgeError('badRequest', 'The regular expression takes too long: use a simpler one.', { cause })
  }
}

/** Whether a pattern is a plain text, which SQL can look for itself. */
export const isPlainText = (pattern: string): boolean => !/[\\^$.*+?()[\]{}|]/.test(pattern)

function compile(pattern: string): RegExp {
  try {
    return new RegExp(pattern)
  } catch (cause) {
    throw new LodgeError('badRequest', `'${pattern.slice(0, 200)}' is not a regular expression`, { cause })
  }
}

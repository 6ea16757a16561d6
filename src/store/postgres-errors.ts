import { DatabaseError } from 'pg'
import { LodgeError, messageOf } from '../base/errors.ts'

/** Another transaction was in the way: of locks or snapshots, or of a key that is unique or refers to a row. */
export type Collision = 'concurrency' | 'constraint'

/** What PostgreSQL or its driver threw, as an error of ours; a statement that is wrong by itself stays as it is. */
export function fromPostgres(thrown: unknown, statement: string): unknown {
  if (thrown instanceof LodgeError) return thrown
  const code = codeOf(thrown)
  if (code === undefined || isPassing(code))
    return new LodgeError('unavailable', `The store does not work now: ${messageOf(thrown)}.`, {
      cause: thrown,
      // Whether the transaction is on disk, nobody knows.
      details: statement === 'commit' ? { outcome: 'unknown' } : {},
    })
  if (collisions.has(code))
    return code.startsWith('23')
      ? new LodgeError('conflict', 'Another request changed the same thing at the same moment.', {
          cause: thrown,
        })
      : new LodgeError('unavailable', 'The store is too busy; try again.', { cause: thrown })
  if (refusedValues.has(code))
    return new LodgeError('badRequest', `The store cannot hold a value: ${messageOf(thrown)}.`, {
      cause: thrown,
    })
  return thrown
}

/** Which collision an error tells of, if any: the transaction may then be run again. */
export function afterCollision(error: unknown): Collision | undefined {
  const code = codeOf(error) ?? codeOf((error as { cause?: unknown } | undefined)?.cause)
  return code === undefined ? undefined : collisions.get(code)
}

/** SQLSTATEs: serialization failure, deadlock, unique violation, foreign key violation. */
const collisions = new Map<string, Collision>([
  ['40001', 'concurrency'],
  ['40P01', 'concurrency'],
  ['23505', 'constraint'],
  ['23503', 'constraint'],
])

/** Numbers out of range, texts that are no number, bytes that are no text. */
const refusedValues = new Set(['22003', '22P02', '22021'])

/**
 * What an operator can mend: connections, credentials, a database that is not there, resources, a shutdown, a
 * statement or transaction that took too long, a server that only reads, failures of its disk.
 */
function isPassing(code: string): boolean {
  return (
    ['08', '28', '3D', '53', '57', '58'].includes(code.slice(0, 2)) ||
    ['25P03', '25006', '55P03', '42501'].includes(code)
  )
}

/** The SQLSTATE; none when the connection failed before the server could say one. */
function codeOf(thrown: unknown): string | undefined {
  return thrown instanceof DatabaseError ? thrown.code : undefined
}

import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { newUuid } from '../base/ids.ts'

export interface ConductorIdentity {
  /** Owner of this run's leases: new at every start. */
  id: string
  /** Owner of the last run's; undefined at the first start. */
  former: string | undefined
}

/**
 * An id for this run, noted at `path` for the next. Nobody else runs on the state directory, so a former run's leases
 * are void: whoever starts again after a crash need not wait until they run out.
 */
export function nextConductorIdentity(path: string): ConductorIdentity {
  const former = existsSync(path) ? readFileSync(path, 'utf8').trim() : undefined
  const id = newUuid()
  writeFileSync(`${path}.new`, `${id}\n`, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
  return { id, former }
}

import { readFileSync, writeFileSync } from 'node:fs'
import { newUuid } from '../base/ids.ts'

/** The host's stable id: what `path` holds, or a new one written there at the first start. */
export function hostIdentity(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch {
    const id = newUuid()
    writeFileSync(path, `${id}\n`, { mode: 0o644 })
    return id
  }
}

/** The id of the simulated host with that number: the same at every start. */
export const simulatedHostId = (number: number): string =>
  `00000000-0000-4000-8000-${number.toString(16).padStart(12, '0')}`

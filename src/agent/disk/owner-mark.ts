import { randomUUID } from 'node:crypto'
import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import { LodgeError } from '../../base/errors.ts'

/** Which host's the disks in a directory are. Storage may be seen by several hosts; disks belong to one at a time. */
export interface OwnerMark {
  version: 1
  /** As commands are addressed to it. */
  host: string
  /** The host that they belonged to before, which gets them back if what they were taken for comes to nothing. */
  takenFrom?: string
  /** The cold migration for which they changed hands. */
  movedWith?: string
}

const fileName = 'owner'

/** undefined without a mark. @throws LodgeError internal for one that cannot be read: nobody may touch the disks then */
export async function readOwnerMark(directory: string): Promise<OwnerMark | undefined> {
  const path = join(directory, fileName)
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  const mark = parsed(text)
  if (mark?.version === 1 && typeof mark.host === 'string') return mark
  throw new LodgeError('internal', `The mark ${path} that says whose the disks are is not readable`)
}

/** From one owner to the next in one moment, which is on disk when this returns. */
export async function writeOwnerMark(directory: string, mark: Omit<OwnerMark, 'version'>): Promise<void> {
  const path = join(directory, fileName)
  const part = `${path}.${randomUUID()}.part`
  {
    await using file = await open(part, 'wx', 0o600)
    await file.writeFile(`${JSON.stringify({ version: 1, ...mark } satisfies OwnerMark)}\n`)
    await file.datasync()
  }
  await rename(part, path)
}

function parsed(text: string): OwnerMark | undefined {
  try {
    return JSON.parse(text) as OwnerMark
  } catch {
    return undefined
  }
}

import { open, readFile, rename } from 'node:fs/promises'
import { join } from 'node:path'
import type { PlannedDisk } from './disk-plan.ts'

/**
 * `disk.info` in a server's directory: what each of its disks is. It is written once, when all of them are whole,
 * and is the only source for a disk's format: what a guest writes into its disk cannot change how it is opened.
 */
interface DiskRecord {
  version: 1
  disks: PlannedDisk[]
  /** The migration that brought them from another host, or to their size. */
  arrivedWith?: string
}

const fileName = 'disk.info'

/** undefined when there is none, or none that was written whole. */
export async function readDiskRecord(directory: string): Promise<PlannedDisk[] | undefined> {
  return (await readWholeRecord(directory))?.disks
}

/** The migration that brought the disks there; undefined when none did, or there are none. */
export const arrivedWith = async (directory: string): Promise<string | undefined> =>
  (await readWholeRecord(directory))?.arrivedWith

async function readWholeRecord(directory: string): Promise<DiskRecord | undefined> {
  try {
    const record = JSON.parse(await readFile(join(directory, fileName), 'utf8')) as DiskRecord
    return record.version === 1 ? record : undefined
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** On disk when it returns. */
export async function writeDiskRecord(
  directory: string,
  disks: PlannedDisk[],
  arrivedWith?: string,
): Promise<void> {
  const record: DiskRecord = { version: 1, disks, ...(arrivedWith === undefined ? {} : { arrivedWith }) }
  const path = join(directory, fileName)
  {
    await using file = await open(`${path}.part`, 'w', 0o600)
    await file.writeFile(`${JSON.stringify(record, undefined, 2)}\n`)
    await file.datasync()
  }
  await rename(`${path}.part`, path)
}

export const diskRecordName = fileName

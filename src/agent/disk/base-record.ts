import { chmod, link, open, readFile, rename, rm, stat, utimes } from 'node:fs/promises'
import type { ImageContent } from '../../model/image-inspection/image-content.ts'

/** Of files that are not finished; the next start removes them. */
export const partSuffix = '.part'

/** Kept beside each base: what it was found to be, so that a spawn need not look again. */
export interface BaseRecord {
  version: 1
  sha512: string
  /** Of the image as it came; the base itself is qcow2 or raw. */
  content: ImageContent
  format: 'qcow2' | 'raw'
  fileSizeBytes: number
  virtualSizeBytes: number
  cachedAt: number
}

/**
 * Gives the finished file `source` its name as a base, with its record; on disk when it returns. Another host that sees
 * the same directory may have done so in the meantime, and guests may stand on its base already: then that one stays.
 * The record comes last: a base without one is whole, but nobody takes it before someone has fetched the image again.
 */
export async function publishBase(source: string, file: string, record: BaseRecord): Promise<void> {
  // Nobody ever writes to a base: every overlay on it would change with it.
  await chmod(source, 0o444)
  {
    await using data = await open(source, 'r')
    await data.datasync()
  }
  await placeBase(source, file, record)
  const recordPart = `${source}.json${partSuffix}`
  {
    await using text = await open(recordPart, 'w', 0o600)
    await text.writeFile(`${JSON.stringify(record, undefined, 2)}\n`)
    await text.datasync()
  }
  await rename(recordPart, recordPath(file))
}

/** A link, unlike a rename, takes nobody's place; of all hosts one comes first, on NFS as well. */
async function placeBase(source: string, file: string, record: BaseRecord): Promise<void> {
  try {
    await link(source, file)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
    const { size } = await stat(file)
    // What is there and not as long as it must be has been damaged.
    if (size !== record.fileSizeBytes) return await rename(source, file)
  }
  await rm(source, { force: true })
}

export const recordPath = (file: string): string => `${file}.json`

/** What was recorded of the base `file`; undefined unless that is whole and of this content. */
export async function readBaseRecord(file: string, sha512: string): Promise<BaseRecord | undefined> {
  try {
    const [text, { size }] = await Promise.all([readFile(recordPath(file), 'utf8'), stat(file)])
    const record = JSON.parse(text) as BaseRecord
    const whole = record.version === 1 && record.sha512 === sha512 && record.fileSizeBytes === size
    return whole ? record : undefined
  } catch (error) {
    if (error instanceof SyntaxError || (error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/**
 * Notes that the base `file` is used now: the time of its record's last change says so. False when another host has
 * removed it in this moment as one that nobody needs.
 */
export async function touchBase(file: string, now: number): Promise<boolean> {
  try {
    await utimes(recordPath(file), now / 1000, now / 1000)
    await stat(file)
    return true
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false
    throw error
  }
}

import { constants } from 'node:fs'
import { access, chmod, copyFile, open, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import type { WrittenImage } from '../api/common/route.ts'
import { LodgeError } from '../base/errors.ts'

export const chunkBytes = 256 * 1024

/** Writes a new file of mode 0600 that is on disk when this resolves. */
export async function writeHashed(target: string, data: AsyncIterable<Uint8Array>): Promise<WrittenImage> {
  await using file = await open(target, 'w', 0o600)
  const hashes = newHashes()
  for await (const chunk of data) {
    hashes.add(chunk)
    await writeAll(file, chunk)
  }
  await file.sync()
  return hashes.result()
}

async function writeAll(file: FileHandle, chunk: Uint8Array): Promise<void> {
  let rest = chunk
  while (rest.length > 0) {
    const { bytesWritten } = await file.write(rest)
    rest = rest.subarray(bytesWritten)
  }
}

export async function hashFile(path: string): Promise<WrittenImage> {
  await using file = await open(path, 'r')
  const hashes = newHashes()
  for await (const chunk of file.createReadStream({ highWaterMark: chunkBytes, autoClose: false }))
    hashes.add(chunk as Buffer)
  return hashes.result()
}

function newHashes() {
  // MD5 protects nothing here: it is what old clients compare a download with.
  const md5 = createHash('md5')
  const sha512 = createHash('sha512')
  let sizeBytes = 0
  return {
    add: (chunk: Uint8Array) => {
      md5.update(chunk)
      sha512.update(chunk)
      sizeBytes += chunk.length
    },
    result: () => ({ sizeBytes, md5: md5.digest('hex'), sha512: sha512.digest('hex') }),
  }
}

/** Moves a file to `target`, on disk when this resolves; across file systems by way of a copy at `part`. */
export async function moveFile(
  source: string,
  part: string,
  target: string,
  assertRoom: (more: number) => Promise<void>,
): Promise<void> {
  await chmod(source, 0o600)
  await syncPath(source)
  try {
    await putInPlace(source, target)
    return
  } catch (error) {
    if (codeOf(error) !== 'EXDEV') throw error
  }
  try {
    await rm(part, { force: true })
    await assertRoom((await stat(source)).size)
    await copyNew(source, part)
    await syncPath(part)
    await putInPlace(part, target)
  } catch (error) {
    await rm(part, { force: true })
    throw storageError(error)
  }
  await rm(source, { force: true })
}

/** Shares the blocks where the file system can. Leaves no half of a copy. */
export async function copyNew(source: string, target: string): Promise<void> {
  try {
    await copyFile(source, target, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE)
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') await rm(target, { force: true })
    throw error
  }
  await chmod(target, 0o600)
}

export async function putInPlace(source: string, target: string): Promise<void> {
  await rename(source, target)
  await syncPath(join(target, '..'))
}

async function syncPath(path: string): Promise<void> {
  await using file = await open(path, 'r')
  await file.sync()
}

export const exists = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  )

const codeOf = (error: unknown): string | undefined => (error as { code?: string } | null)?.code

export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT'

/** @returns an error that tells a client of a full disk; others as they are */
export function storageError(error: unknown): unknown {
  const code = codeOf(error)
  if (code !== 'ENOSPC' && code !== 'EDQUOT') return error
  return new LodgeError('tooLarge', 'There is no room left for image data.', { cause: error })
}

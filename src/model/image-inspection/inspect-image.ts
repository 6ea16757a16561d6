import { open } from 'node:fs/promises'
import type { FormatFindings, ImageContent } from './image-content.ts'
import { imageReader, type ImageReader } from './image-reader.ts'
import { iso, raw, refusedFormats } from './other-formats.ts'
import { qcow2 } from './qcow2.ts'
import { vdi } from './vdi.ts'
import { vhd } from './vhd.ts'
import { vhdx } from './vhdx.ts'
import { vmdk } from './vmdk.ts'

export interface ImageInspection extends FormatFindings {
  format: ImageContent
}

/** No server's disk is larger; what claims to be is broken or hostile. */
export const maxVirtualSizeBytes = 2 ** 50

/** In the order in which they are asked; those that stand at the first byte before those that stand elsewhere. */
const formats = [qcow2, vmdk, vhdx, ...refusedFormats, vdi, vhd, iso, raw]

/**
 * Finds out what an image file is, by its bytes alone, and why it must not be used. It reads headers only, no more
 * than some hundred KiB whatever they say, and starts no program: nothing else may open a file of unknown origin
 * before this did. It never throws for what is in the file.
 */
export async function inspectImage(path: string): Promise<ImageInspection> {
  await using file = await open(path, 'r')
  return await inspectReader(await imageReader(file))
}

async function inspectReader(reader: ImageReader): Promise<ImageInspection> {
  const head = await reader.read(0, 64 * 1024)
  for (const format of formats) {
    if (!(await format.matches(head, reader))) continue
    const { virtualSizeBytes, problems } = await format.inspect(reader)
    if (virtualSizeBytes > maxVirtualSizeBytes)
      problems.push(
        `claims a virtual size of ${gib(virtualSizeBytes)} GiB; the largest is ${gib(maxVirtualSizeBytes)}`,
      )
    if (virtualSizeBytes === 0 && problems.length === 0) problems.push('has a virtual size of zero')
    return { format: format.content, virtualSizeBytes, problems }
  }
  return { format: 'raw', virtualSizeBytes: reader.fileSize, problems: [] }
}

const gib = (bytes: number): number => Math.round(bytes / 2 ** 30)

import type { FileHandle } from 'node:fs/promises'

/** Bounded reads from an image file. Nothing that a header says can make it read much, or fail. */
export interface ImageReader {
  readonly fileSize: number
  /** Up to `length` bytes from `offset`; fewer, or none, where the file ends or the offset is absurd. */
  read(offset: number | bigint, length: number): Promise<Buffer>
}

/** The most that one read gives, whatever was asked for. */
const maxRead = 1 << 20

export async function imageReader(file: FileHandle): Promise<ImageReader> {
  const { size: fileSize } = await file.stat()
  return {
    fileSize,
    async read(offset, length) {
      const start = Number(offset)
      if (!(start >= 0 && start < fileSize)) return Buffer.alloc(0)
      const wanted = Math.min(length, maxRead, fileSize - start)
      const buffer = Buffer.alloc(wanted)
      let filled = 0
      while (filled < wanted) {
        const { bytesRead } = await file.read(buffer, filled, wanted - filled, start + filled)
        if (bytesRead === 0) break
        filled += bytesRead
      }
      return buffer.subarray(0, filled)
    },
  }
}

/** `bytes` made `length` long with zeros, so that a cut-off header can be read field by field. */
export function padded(bytes: Buffer, length: number): Buffer {
  return bytes.length >= length ? bytes : Buffer.concat([bytes, Buffer.alloc(length - bytes.length)])
}

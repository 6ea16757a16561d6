import { open } from 'node:fs/promises'
import { LodgeError } from '../../base/errors.ts'

const blockSize = 64 * 1024
const zeros = Buffer.alloc(blockSize)

/**
 * Writes what comes to the new file `path`, with holes where it is zero: a disk that the guest has hardly used stays
 * small. Takes no more than `most` bytes. On disk when it returns the count of bytes that came.
 */
export async function writeSparse(
  path: string,
  data: AsyncIterable<Uint8Array>,
  most: number,
): Promise<number> {
  await using file = await open(path, 'w', 0o600)
  let at = 0
  for await (const chunk of data) {
    if (at + chunk.length > most) throw new LodgeError('badRequest', `More than ${most} bytes came`)
    for (let from = 0; from < chunk.length; from += blockSize) {
      const block = chunk.subarray(from, from + blockSize)
      if (zeros.compare(block, 0, block.length, 0, block.length) !== 0)
        await file.write(block, 0, block.length, at + from)
    }
    at += chunk.length
  }
  await file.truncate(at)
  await file.datasync()
  return at
}

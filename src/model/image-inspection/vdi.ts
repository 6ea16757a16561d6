import type { FormatFindings, ImageFormat } from './image-content.ts'
import { padded, type ImageReader } from './image-reader.ts'

/** VirtualBox's disks. Numbers are little-endian. */
export const vdi: ImageFormat = {
  content: 'vdi',
  matches: (head) => head.length >= 0x44 && head.readUInt32LE(0x40) === 0xbe_da_10_7f,
  inspect,
}

const blockSize = 1 << 20
const types = { dynamic: 1, fixed: 2 }

async function inspect(reader: ImageReader): Promise<FormatFindings> {
  const header = padded(await reader.read(0, 512), 512)
  const size = header.readBigUInt64LE(0x170)
  const blocks = header.readUInt32LE(0x180)
  const problems: string[] = []
  if (header.readUInt32LE(0x44) !== 0x0001_0001) problems.push('is VDI of a version that is not known')
  const type = header.readUInt32LE(0x4c)
  const parents = header.subarray(0x1a8, 0x1c8)
  if ((type !== types.dynamic && type !== types.fixed) || parents.some((byte) => byte !== 0))
    problems.push('is a VDI that builds on another disk')
  if (header.readUInt32LE(0x168) !== 512 || header.readUInt32LE(0x178) !== blockSize)
    problems.push('has VDI sectors or blocks of unusual size')
  const map = header.readUInt32LE(0x154)
  if (BigInt(blocks) * BigInt(blockSize) < size) problems.push('has too few VDI blocks for its virtual size')
  else if (map + blocks * 4 > reader.fileSize) problems.push('has its VDI block map outside the file')
  return { virtualSizeBytes: Number(size), problems }
}

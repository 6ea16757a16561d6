import type { FormatFindings, ImageFormat } from './image-content.ts'
import { padded, type ImageReader } from './image-reader.ts'

/** Virtual PC's disks (QEMU: vpc). Numbers are big-endian; the footer of a growing disk is also its head. */
export const vhd: ImageFormat = {
  content: 'vhd',
  matches: async (head, reader) =>
    hasCookie(head) || isFooter(await reader.read(reader.fileSize - footerLength, footerLength)),
  inspect,
}

const footerLength = 512
const types = { fixed: 2, dynamic: 3 }

const hasCookie = (bytes: Buffer): boolean => bytes.subarray(0, 8).toString('latin1') === 'conectix'

/** At the end of a file a guest may have written the cookie by chance, so the checksum must be right as well. */
const isFooter = (bytes: Buffer): boolean =>
  hasCookie(bytes) && bytes.length === footerLength && bytes.readUInt32BE(64) === checksum(bytes)

async function inspect(reader: ImageReader): Promise<FormatFindings> {
  const footer = padded(await reader.read(reader.fileSize - footerLength, footerLength), footerLength)
  const head = padded(await reader.read(0, footerLength), footerLength)
  const problems: string[] = []
  const used = isFooter(footer) ? footer : head
  if (!isFooter(footer)) problems.push('is a VHD without a sound footer: it was cut off')
  const type = used.readUInt32BE(60)
  if (type !== types.fixed && type !== types.dynamic) problems.push('is a VHD that builds on another disk')
  // Readers prefer the copy at the head: it must not tell another story.
  if (type === types.dynamic && !head.equals(used))
    problems.push('has a VHD head that contradicts its footer')
  const size = used.readBigUInt64BE(48)
  if (type === types.fixed && size > BigInt(reader.fileSize)) problems.push('is a VHD that was cut off')
  if (type === types.dynamic) problems.push(...(await tableProblems(reader, used, size)))
  const sectors = used.readUInt16BE(56) * used.readUInt8(58) * used.readUInt8(59)
  // Some readers go by the geometry, some by the size: the larger one counts.
  return { virtualSizeBytes: Math.max(Number(size), sectors * 512), problems }
}

async function tableProblems(reader: ImageReader, footer: Buffer, size: bigint): Promise<string[]> {
  const header = padded(await reader.read(footer.readBigUInt64BE(16), 1024), 1024)
  if (header.subarray(0, 8).toString('latin1') !== 'cxsparse') return ['is a VHD without its second header']
  const entries = header.readUInt32BE(28)
  const blockSize = header.readUInt32BE(32)
  if (blockSize < 512 || blockSize > 256 << 20 || (blockSize & (blockSize - 1)) !== 0)
    return ['has VHD blocks of impossible size']
  if (BigInt(entries) * BigInt(blockSize) < size) return ['has a VHD table too small for its virtual size']
  if (header.readBigUInt64BE(16) + BigInt(entries) * 4n > BigInt(reader.fileSize))
    return ['has its VHD table outside the file']
  return []
}

/** One's complement of the sum of all bytes, the checksum's own left out. */
function checksum(footer: Buffer): number {
  let sum = 0
  for (const [index, byte] of footer.entries()) if (index < 64 || index >= 68) sum += byte
  return ~sum >>> 0
}

import type { FormatFindings, ImageFormat } from './image-content.ts'
import { padded, type ImageReader } from './image-reader.ts'

/** QEMU's qcow2, versions 2 and 3. All numbers are big-endian. */
export const qcow2: ImageFormat = {
  content: 'qcow2',
  matches: (head) => head.length >= 8 && head.readUInt32BE(0) === magic && head.readUInt32BE(4) >= 2,
  inspect,
}

const magic = 0x51_46_49_fb
const headerLength = { 2: 72, 3: 104 } as const

/** What QEMU itself accepts at most, in bytes. */
const maxL1Bytes = 32n << 20n
const maxRefcountTableBytes = 8n << 20n

/** Bits of the incompatible features that are harmless: dirty (0), compression type (3), extended L2 entries (4). */
const allowedFeatures = 0b11001n
const corrupt = 1n << 1n
const externalDataFile = 1n << 2n
const extendedL2 = 1n << 4n

const extensionTypes = { end: 0, dataFile: 0x44_41_54_41, encryption: 0x05_37_be_77 }

async function inspect(reader: ImageReader): Promise<FormatFindings> {
  const raw = await reader.read(0, 4096)
  const header = padded(raw, 4096)
  const version = header.readUInt32BE(4)
  const size = header.readBigUInt64BE(24)
  const problems: string[] = []
  const findings = { virtualSizeBytes: Number(size), problems }
  if (version !== 2 && version !== 3) {
    problems.push(`is qcow2 of version ${version}; only 2 and 3 are known`)
    return findings
  }
  const features = version === 3 ? header.readBigUInt64BE(72) : 0n
  const length = version === 3 ? header.readUInt32BE(100) : headerLength[2]
  if (raw.length < headerLength[version]) problems.push('ends within its header')
  if (header.readBigUInt64BE(8) !== 0n || header.readUInt32BE(16) !== 0)
    problems.push('names a backing file; flatten it first (qemu-img convert)')
  if (header.readUInt32BE(32) !== 0) problems.push('is encrypted')
  if (header.readUInt32BE(60) !== 0)
    problems.push('has internal snapshots; remove them first (qemu-img convert)')
  if (features & externalDataFile) problems.push('keeps its data in an external file')
  if (features & corrupt) problems.push('is marked corrupt; repair it first (qemu-img check -r all)')
  if (features & ~(allowedFeatures | externalDataFile | corrupt))
    problems.push(`needs qcow2 features that are not known (0x${features.toString(16)})`)
  problems.push(...tableProblems(header, size, features, reader.fileSize))
  if (version === 3 && (length < headerLength[3] || length % 8 !== 0 || length > 1024))
    problems.push('has a header of impossible length')
  else problems.push(...(await extensionProblems(reader, length)))
  return findings
}

/** The two tables that a reader takes into memory whole must be as large as the disk needs, and in the file. */
function tableProblems(header: Buffer, size: bigint, features: bigint, fileSize: number): string[] {
  const clusterBits = header.readUInt32BE(20)
  if (clusterBits < 9 || clusterBits > 21) return [`has clusters of impossible size (2^${clusterBits} bytes)`]
  const problems: string[] = []
  const cluster = 1n << BigInt(clusterBits)
  const l1Entries = BigInt(header.readUInt32BE(36))
  const entrySize = features & extendedL2 ? 16n : 8n
  const bytesPerL1Entry = (cluster / entrySize) * cluster
  const needed = (size + bytesPerL1Entry - 1n) / bytesPerL1Entry
  if (l1Entries * 8n > maxL1Bytes) problems.push('has an L1 table that is too large')
  else if (l1Entries < needed) problems.push('has an L1 table that is too small for its virtual size')
  else if (l1Entries > 0n && !within(header.readBigUInt64BE(40), l1Entries * 8n, cluster, fileSize))
    problems.push('has its L1 table outside the file')
  const refcountBytes = BigInt(header.readUInt32BE(56)) * cluster
  if (refcountBytes > maxRefcountTableBytes) problems.push('has a refcount table that is too large')
  else if (refcountBytes === 0n || !within(header.readBigUInt64BE(48), refcountBytes, cluster, fileSize))
    problems.push('has its refcount table outside the file')
  return problems
}

const within = (offset: bigint, bytes: bigint, alignment: bigint, fileSize: number): boolean =>
  offset > 0n && offset % alignment === 0n && offset + bytes <= BigInt(fileSize)

async function extensionProblems(reader: ImageReader, headerEnd: number): Promise<string[]> {
  const area = await reader.read(headerEnd, 64 * 1024)
  const problems: string[] = []
  for (let at = 0; at + 8 <= area.length;) {
    const type = area.readUInt32BE(at)
    const length = area.readUInt32BE(at + 4)
    if (type === extensionTypes.end) return problems
    if (type === extensionTypes.dataFile) problems.push('names an external data file')
    if (type === extensionTypes.encryption) problems.push('is encrypted')
    at += 8 + Math.ceil(length / 8) * 8
  }
  return problems
}

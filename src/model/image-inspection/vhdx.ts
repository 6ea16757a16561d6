import type { FormatFindings, ImageFormat } from './image-content.ts'
import type { ImageReader } from './image-reader.ts'

/** Hyper-V's disks. Numbers are little-endian. */
export const vhdx: ImageFormat = {
  content: 'vhdx',
  matches: (head) => head.subarray(0, 8).toString('latin1') === 'vhdxfile',
  inspect,
}

/** Where the region table and its copy stand. */
const regionTables = [192 * 1024, 256 * 1024]
const tableLength = 64 * 1024
const maxEntries = 2047

const ids = {
  metadataRegion: '8b7ca206-4790-4b9a-b8fe-575f050f886e',
  fileParameters: 'caa16737-fa36-4d43-b3b6-33f0aa44e76b',
  virtualDiskSize: '2fa54224-cd1b-4876-b211-5dbed83bf4b8',
  parentLocator: 'a8d35f2d-b30b-454d-abf7-d3d84834ab0c',
}
const hasParent = 0b10

async function inspect(reader: ImageReader): Promise<FormatFindings> {
  // A reader may use either table, so both must lead to the same place.
  const places = await Promise.all(regionTables.map((at) => metadataPlace(reader, at)))
  const [place, copy] = places
  if (place === undefined || place !== copy)
    return {
      virtualSizeBytes: 0,
      problems: ['has VHDX region tables that are broken or contradict each other'],
    }
  const table = await reader.read(place, tableLength)
  if (table.subarray(0, 8).toString('latin1') !== 'metadata')
    return { virtualSizeBytes: 0, problems: ['has no VHDX metadata'] }
  let size: bigint | undefined
  let parameters: Buffer | undefined
  const problems: string[] = []
  const count = Math.min(table.readUInt16LE(10), maxEntries)
  for (let at = 32; at < 32 * (count + 1) && at + 32 <= table.length; at += 32) {
    const id = guidAt(table, at)
    const value = await reader.read(place + BigInt(table.readUInt32LE(at + 16)), 8)
    if (id === ids.parentLocator) problems.push('is a VHDX that builds on another disk')
    if (value.length < 8) continue
    if (id === ids.virtualDiskSize) size = value.readBigUInt64LE(0)
    if (id === ids.fileParameters) parameters = value
  }
  if (size === undefined || parameters === undefined)
    problems.push('has VHDX metadata without size or parameters')
  else if (parameters.readUInt32LE(4) & hasParent) problems.push('is a VHDX that builds on another disk')
  return { virtualSizeBytes: Number(size ?? 0n), problems: [...new Set(problems)] }
}

async function metadataPlace(reader: ImageReader, tableAt: number): Promise<bigint | undefined> {
  const table = await reader.read(tableAt, tableLength)
  if (table.subarray(0, 4).toString('latin1') !== 'regi') return undefined
  const count = Math.min(table.readUInt32LE(8), maxEntries)
  for (let at = 16; at < 16 + 32 * count && at + 32 <= table.length; at += 32)
    if (guidAt(table, at) === ids.metadataRegion) return table.readBigUInt64LE(at + 16)
  return undefined
}

/** A GUID in Microsoft's mixed byte order, as text. */
function guidAt(bytes: Buffer, at: number): string {
  const hex = (from: number, to: number): string => bytes.toString('hex', at + from, at + to)
  const swapped = (from: number, to: number): string => hex(from, to).match(/../g)!.reverse().join('')
  return [swapped(0, 4), swapped(4, 6), swapped(6, 8), hex(8, 10), hex(10, 16)].join('-')
}

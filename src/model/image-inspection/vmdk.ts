import type { FormatFindings, ImageFormat } from './image-content.ts'
import { padded, type ImageReader } from './image-reader.ts'

/**
 * VMware's disks. Only those are let through that are one file with all of its data in it; every other kind is
 * a text that names further files. Numbers are little-endian, sizes and places count sectors of 512 bytes.
 */
export const vmdk: ImageFormat = {
  content: 'vmdk',
  matches: (head) =>
    head.subarray(0, 4).toString('latin1') === sparseMagic ||
    head.subarray(0, 4).toString('latin1') === 'COWD' ||
    isDescriptor(head.toString('latin1')),
  inspect,
}

const sparseMagic = 'KDMV'
const sector = 512
const allowedTypes = ['streamOptimized', 'monolithicSparse']
const maxDescriptorSectors = 128n
/** In place of the grain directory's offset: it stands in the footer. */
const inFooter = 0xffff_ffff_ffff_ffffn

/** A text descriptor as file: blank lines and comments, then the version, which is all that QEMU looks at. */
const isDescriptor = (text: string): boolean =>
  /^(?:[ \t]*(?:#[^\n]*)?\r?\n)*[ \t]*version[ \t]*=/i.test(text)

async function inspect(reader: ImageReader): Promise<FormatFindings> {
  const header = padded(await reader.read(0, sector), sector)
  if (header.subarray(0, 4).toString('latin1') !== sparseMagic)
    return {
      virtualSizeBytes: 0,
      problems: [`is a VMDK that consists of several files; only ${allowedTypes.join(' and ')} are accepted`],
    }
  const capacity = header.readBigUInt64LE(12)
  const problems = await headerProblems(reader, header, capacity)
  problems.push(...(await descriptorProblems(reader, header)))
  return { virtualSizeBytes: Number(capacity) * sector, problems }
}

async function headerProblems(reader: ImageReader, header: Buffer, capacity: bigint): Promise<string[]> {
  const problems: string[] = []
  const version = header.readUInt32LE(4)
  if (version < 1 || version > 3) problems.push(`is VMDK of version ${version}; only 1 to 3 are known`)
  // Readers take a header without capacity for a pointer to a descriptor with files of its own.
  if (capacity === 0n) problems.push('is a VMDK without a capacity in its header')
  const grain = header.readBigUInt64LE(20)
  if (grain < 8n || grain > 128n * 1024n || (grain & (grain - 1n)) !== 0n)
    problems.push('has VMDK grains of impossible size')
  const entries = header.readUInt32LE(44)
  if (entries === 0 || entries > 512) problems.push('has VMDK grain tables of impossible size')
  else if (grain > 0n && capacity / (grain * BigInt(entries)) > 1n << 24n)
    problems.push('has a VMDK grain directory that is too large')
  if (header.readBigUInt64LE(56) === inFooter) {
    // Marker, footer, end-of-stream marker. What a reader believes is the footer.
    const footer = padded(await reader.read(reader.fileSize - 2 * sector, sector), sector)
    const same = footer.subarray(0, 48).equals(header.subarray(0, 48))
    if (!same) problems.push('has a VMDK footer that contradicts its header')
  }
  return problems
}

async function descriptorProblems(reader: ImageReader, header: Buffer): Promise<string[]> {
  const at = header.readBigUInt64LE(28)
  const sectors = header.readBigUInt64LE(36)
  if (at !== 1n || sectors === 0n || sectors > maxDescriptorSectors)
    return ['has no VMDK descriptor where one must be']
  const bytes = await reader.read(sector, Number(sectors) * sector)
  // Readers stop at the first zero byte, or do not: both the text before it and all of it must be fine.
  const text = bytes.toString('latin1').replaceAll('\0', '\n')
  const problems: string[] = []
  const types = [...text.matchAll(/createType[ \t]*=[ \t]*"?([^"\r\n]*)"?/gi)].map(([, type = '']) => type)
  if (types.length !== 1 || !allowedTypes.includes(types[0]!))
    problems.push(
      `is a VMDK of type ${types.map((type) => JSON.stringify(type.slice(0, 40))).join(', ') || 'unknown'}; only ` +
        `${allowedTypes.join(' and ')} are accepted`,
    )
  if (/parentFileNameHint/i.test(text)) problems.push('names a parent disk')
  const parents = [...text.matchAll(/parentCID[ \t]*=[ \t]*([0-9a-z]*)/gi)].map(([, id = '']) => id)
  if (parents.some((id) => id.toLowerCase() !== 'ffffffff')) problems.push('has a parent disk')
  const extents = [...text.matchAll(/^[ \t]*(?:RW|RDONLY|NOACCESS)[ \t]+(.*)$/gim)].map(
    ([, rest = '']) => rest,
  )
  if (extents.length !== 1) problems.push(`has ${extents.length} VMDK extents where one must be`)
  for (const extent of extents) {
    const [, type = '', name = ''] = /^\d+[ \t]+(\w+)[ \t]+"([^"]*)"/.exec(extent) ?? []
    if (type.toUpperCase() !== 'SPARSE' || name === '' || /[/\\:]/.test(name))
      problems.push('has a VMDK extent that is another file')
  }
  return problems
}

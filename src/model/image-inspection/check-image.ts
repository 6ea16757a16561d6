import { LodgeError } from '../../base/errors.ts'
import type { DiskFormat } from '../server-spec.ts'
import type { ImageContent } from './image-content.ts'
import { inspectImage } from './inspect-image.ts'

/** What may be found in an image that was declared to be of a format. Nova, too, takes an ISO for a raw disk. */
const contents: Record<DiskFormat, readonly ImageContent[]> = {
  raw: ['raw', 'iso'],
  ami: ['raw', 'iso'],
  ari: ['raw'],
  aki: ['raw'],
  iso: ['iso'],
  qcow2: ['qcow2'],
  vmdk: ['vmdk'],
  vdi: ['vdi'],
  vhd: ['vhd'],
  vhdx: ['vhdx'],
  ploop: [],
}

export interface CheckedImage {
  format: ImageContent
  virtualSizeBytes: number
}

/**
 * Holds an image file against the format that its owner declared, before any tool opens it: the content must be
 * of that format, and free of whatever makes a tool read other files or take memory without bound.
 * @throws LodgeError badRequest with all the reasons in one sentence
 */
export async function checkImage(path: string, declared: DiskFormat): Promise<CheckedImage> {
  const { format, virtualSizeBytes, problems } = await inspectImage(path)
  assertDeclared(declared, format)
  if (problems.length > 0)
    throw new LodgeError('badRequest', `The image cannot be used: it ${problems.join('; it ')}.`, {
      details: { declared, content: format, problems },
    })
  return { format, virtualSizeBytes }
}

/**
 * The part of the check that goes by the declaration alone, for content that was found out before.
 * @throws LodgeError badRequest
 */
export function assertDeclared(declared: DiskFormat, content: ImageContent): void {
  if (contents[declared]?.includes(content)) return
  throw new LodgeError(
    'badRequest',
    `The image cannot be used: it was declared to be ${declared}, and its content is ${content}. ` +
      'Set disk_format to what the file is.',
    { details: { declared, content } },
  )
}

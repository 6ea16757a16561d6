import type { ImageContent, ImageFormat } from './image-content.ts'

/** Formats that are known only so that they are not taken for a raw disk; none of them is used. */
export const refusedFormats: ImageFormat[] = [
  refused('qcow', (head) => startsWith(head, 'QFI\u00fb')),
  refused('qed', (head) => startsWith(head, 'QED\0')),
  refused('luks', (head) => startsWith(head, 'LUKS\u00ba\u00be')),
  refused(
    'parallels',
    (head) => startsWith(head, 'WithoutFreeSpace') || startsWith(head, 'WithouFreSpacExt'),
  ),
  refused('bochs', (head) => startsWith(head, 'Bochs Virtual HD Image')),
  refused('cloop', (head) => startsWith(head, '#!/bin/sh\n#V2.0 Format\nmodprobe cloop')),
]

/** ISO 9660: a descriptor in the 17th sector of 2,048 bytes. A disk of its own, read as raw. */
export const iso: ImageFormat = {
  content: 'iso',
  matches: (head) => head.subarray(0x8001, 0x8006).toString('latin1') === 'CD001',
  inspect: async (reader) => ({ virtualSizeBytes: reader.fileSize, problems: [] }),
}

/** Whatever is nothing else: a disk's bytes as they are, with a partition table (MBR, GPT) or without. */
export const raw: ImageFormat = {
  content: 'raw',
  matches: () => true,
  inspect: async (reader) => ({
    virtualSizeBytes: reader.fileSize,
    problems: reader.fileSize === 0 ? ['is empty'] : [],
  }),
}

function refused(content: ImageContent, matches: (head: Buffer) => boolean): ImageFormat {
  return {
    content,
    matches,
    inspect: async () => ({
      virtualSizeBytes: 0,
      problems: [`is in the format ${content}, which is not used here`],
    }),
  }
}

const startsWith = (head: Buffer, signature: string): boolean =>
  head.subarray(0, signature.length).toString('latin1') === signature

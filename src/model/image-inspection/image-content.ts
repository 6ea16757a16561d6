import type { ImageReader } from './image-reader.ts'

/** What an image file is, judged by its content alone. */
export type ImageContent =
  | 'raw'
  | 'iso'
  | 'qcow2'
  | 'vmdk'
  | 'vdi'
  | 'vhd'
  | 'vhdx'
  | 'qcow'
  | 'qed'
  | 'luks'
  | 'parallels'
  | 'bochs'
  | 'cloop'

export interface FormatFindings {
  /** Size of the disk that a guest would see. */
  virtualSizeBytes: number
  /** Why the image must not be used; each continues the sentence "The image cannot be used: it ...". */
  problems: string[]
}

/** One file format: how its content is known, and what is to be checked in it. */
export interface ImageFormat {
  content: ImageContent
  /** `head`: the first 64 KiB (or all) of the file. */
  matches(head: Buffer, reader: ImageReader): boolean | Promise<boolean>
  inspect(reader: ImageReader): Promise<FormatFindings>
}

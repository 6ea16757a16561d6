/** Guests without an operating system: a boot sector that stands still, or writes to its memory without end. */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { newUuid } from '../../src/base/ids.ts'
import type { ServerImage } from '../../src/model/server-spec.ts'

export interface BareGuest {
  file: string
  image: ServerImage
}

/** Writes the guest's disk to the new file `file`. `writesMiB`: how much of its memory it writes over and over. */
export function makeBareGuest(file: string, writesMiB: number): BareGuest {
  const raw = `${file}.raw`
  writeFileSync(raw, Buffer.concat([bootSector(writesMiB), Buffer.alloc(2 ** 20 - 512)]))
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', raw, file], { timeout: 30_000 })
  rmSync(raw)
  const bytes = readFileSync(file)
  return {
    file,
    image: {
      id: newUuid(),
      name: `writes ${writesMiB} MiB`,
      diskFormat: 'qcow2',
      sizeBytes: bytes.length,
      sha512: createHash('sha512').update(bytes).digest('hex'),
      minDiskGiB: 0,
      properties: {},
    },
  }
}

/** To protected mode, whose segments reach all memory, and then round and round from 16 MiB on. */
function bootSector(writesMiB: number): Buffer {
  const words = Buffer.alloc(4)
  words.writeUInt32LE(writesMiB * 2 ** 18)
  const standStill = [0xf4, 0xeb, 0xfd] // hlt; jmp to it
  const code = [
    [0xfa], // cli
    [0x31, 0xc0, 0x8e, 0xd8], // xor ax, ax; mov ds, ax
    [0x0f, 0x01, 0x16, 0x62, 0x7c], // lgdt [0x7c62]
    [0x0f, 0x20, 0xc0, 0x0c, 0x01, 0x0f, 0x22, 0xc0], // mov eax, cr0; or al, 1; mov cr0, eax
    [0xea, 0x17, 0x7c, 0x08, 0x00], // jmp 8:0x7c17, the next one
    [0x66, 0xb8, 0x10, 0x00, 0x8e, 0xd8, 0x8e, 0xc0], // mov ax, 0x10; mov ds, ax; mov es, ax
    writesMiB === 0
      ? standStill
      : [
          [0xbf, 0x00, 0x00, 0x00, 0x01], // mov edi, 16 MiB
          [0xb9, ...words], // mov ecx, how many words
          [0x40, 0xf3, 0xab], // inc eax; rep stosd
          [0xeb, 0xf1], // jmp to the first of these
        ].flat(),
  ].flat()
  const sector = Buffer.alloc(512)
  Buffer.from(code).copy(sector)
  // The segments: none, code, data; and where they are.
  Buffer.from('0000000000000000ffff0000009acf00ffff00000092cf00', 'hex').copy(sector, 0x40 + 8)
  Buffer.from([0x17, 0x00, 0x48, 0x7c, 0x00, 0x00]).copy(sector, 0x62)
  sector.writeUInt16BE(0x55aa, 510)
  return sector
}

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { LodgeError, messageOf } from '../../src/base/errors.ts'
import { findGuestParts, type GuestParts } from './guest-parts.ts'
import { writeInitrd } from './initrd.ts'

export type GuestImageFormat = 'qcow2' | 'raw'

export interface GuestImage {
  path: string
  format: GuestImageFormat
  sha256: string
  /** Of the file; what the guest sees is `virtualSizeBytes`. */
  sizeBytes: number
  virtualSizeBytes: number
}

export interface GuestImageOptions {
  /** Where images are kept. Made if missing; an image of the same parts that is already there is taken. */
  directory: string
  /** `qcow2` unless told. */
  format?: GuestImageFormat
}

const virtualSizeBytes = 32 << 20

/**
 * Builds the test guest: a 32 MiB disk that boots under BIOS (FAT16, syslinux, Debian's cloud kernel, busybox),
 * wants 128 MiB of memory and says on its serial console what machine it found, then `lodge-guest login:` (root,
 * no password), then `tick N` every five seconds. It counts its boots on its disk and goes off by the power button.
 * The same parts give the same bytes. Needs no privileges. Throws `unavailable` when a part is missing.
 */
export async function buildGuestImage(options: GuestImageOptions): Promise<GuestImage> {
  const format = options.format ?? 'qcow2'
  const parts = findGuestParts()
  mkdirSync(options.directory, { recursive: true })
  const path = join(options.directory, `lodge-guest-${parts.key}.${format}`)
  if (!existsSync(path)) {
    const work = mkdtempSync(join(options.directory, '.building-'))
    try {
      // Only a whole image gets its name, whoever else builds the same one at the same time.
      renameSync(buildIn(work, parts, format), path)
    } finally {
      rmSync(work, { recursive: true, force: true })
    }
  }
  const sha256 = createHash('sha256').update(readFileSync(path)).digest('hex')
  return { path, format, sha256, sizeBytes: statSync(path).size, virtualSizeBytes }
}

/** Builds the image inside the empty folder `work`; returns its path. */
function buildIn(work: string, parts: GuestParts, format: GuestImageFormat): string {
  const staging = join(work, 'root')
  const initrd = join(work, 'initrd.gz')
  const disk = join(work, 'disk.raw')
  mkdirSync(staging)
  writeInitrd(parts, staging, initrd)
  run('mkfs.fat', [
    '-C',
    '-F',
    '16',
    '-i',
    '10d6e001',
    '--invariant',
    '-n',
    'LODGE',
    disk,
    `${virtualSizeBytes >> 10}`,
  ])
  run('syslinux', ['--install', disk])
  const files = { vmlinuz: parts.kernel, 'initrd.gz': initrd, 'syslinux.cfg': parts.syslinuxConfig }
  for (const [name, file] of Object.entries(files)) run('mcopy', ['-i', disk, file, `::${name}`])
  if (format === 'raw') return disk
  const image = join(work, 'disk.qcow2')
  run('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, image])
  return image
}

function run(program: string, args: string[]): void {
  const env = {
    PATH: `${process.env['PATH']}:/usr/sbin:/sbin`,
    // The date of every file on the disk; syslinux and mcopy take it from here.
    SOURCE_DATE_EPOCH: '1767225600',
    TZ: 'UTC',
  }
  try {
    execFileSync(program, args, { env, stdio: 'pipe', timeout: 60_000 })
  } catch (cause) {
    throw new LodgeError('unavailable', `Building the guest image failed: ${messageOf(cause)}`, { cause })
  }
}

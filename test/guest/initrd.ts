import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  copyFileSync,
  globSync,
  mkdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { LodgeError } from '../../src/base/errors.ts'
import { rootfsFiles, type GuestParts } from './guest-parts.ts'

/** Drivers of the guest, by their file's name. What they need comes along by itself. */
const drivers = [
  'virtio_pci',
  'virtio_blk',
  'virtio_net',
  'virtio_console',
  'virtio-rng',
  'virtio_balloon',
  'vfat',
  'nls_cp437',
  'nls_ascii',
  'isofs',
  'sr_mod',
  'button',
  'evdev',
]

/**
 * Writes the guest's initial file system to `file`: busybox, our own files and the drivers, as a compressed cpio
 * archive. `staging` is an empty folder to put it together in. The same parts give the same bytes.
 */
export function writeInitrd(parts: GuestParts, staging: string, file: string): void {
  for (const folder of ['bin', 'dev', 'etc', 'lib/modules', 'mnt', 'proc', 'sys', 'tmp'])
    mkdirSync(join(staging, folder), { recursive: true })
  for (const name of rootfsFiles(parts.rootfs)) {
    mkdirSync(dirname(join(staging, name)), { recursive: true })
    copyFileSync(join(parts.rootfs, name), join(staging, name))
  }
  copyFileSync(parts.busybox, join(staging, 'bin/busybox'))
  const order = modulesInOrder(parts.modules)
  for (const path of order) writeModule(join(parts.modules, path), join(staging, 'lib/modules'))
  writeFileSync(join(staging, 'etc/modules'), order.map((path) => `${moduleName(path)}\n`).join(''))
  writeFileSync(file, gzipSync(archive(staging)))
}

/** The drivers and what they need, each after what it needs: paths of the modules folder. */
function modulesInOrder(modules: string): string[] {
  const needs = new Map<string, string[]>()
  for (const line of readFileSync(join(modules, 'modules.dep'), 'utf8').split('\n')) {
    const [path, rest] = line.split(':')
    if (path) needs.set(path, rest!.trim().split(' ').filter(Boolean))
  }
  const order = new Set<string>()
  for (const driver of drivers) {
    const path = [...needs.keys()].find((candidate) => moduleName(candidate) === driver)
    if (path === undefined) throw new LodgeError('unavailable', `The kernel in ${modules} has no ${driver}.`)
    // modules.dep names the nearest needs first, so that the other way round is an order to load them in.
    for (const needed of needs.get(path)!.toReversed()) order.add(needed)
    order.add(path)
  }
  return [...order]
}

const moduleName = (path: string): string => basename(path).replace(/\.ko(\.\w+)?$/, '')

/** Copies one module; busybox's insmod takes only plain ones. */
function writeModule(path: string, folder: string): void {
  const target = join(folder, `${moduleName(path)}.ko`)
  if (path.endsWith('.ko')) copyFileSync(path, target)
  else writeFileSync(target, execFileSync('xz', ['-dc', path], { maxBuffer: 64 << 20 }))
}

/** The folder as a cpio archive that is the same whoever makes it, and when. */
function archive(folder: string): Buffer {
  const names = globSync('**', { cwd: folder })
    .filter((name) => name !== '' && name !== '.')
    .sort()
  for (const name of names) {
    const path = join(folder, name)
    chmodSync(path, statSync(path).mode & 0o100 ? 0o755 : 0o644)
    utimesSync(path, 0, 0)
  }
  return execFileSync('cpio', ['--create', '--format=newc', '--reproducible', '--owner=+0:+0', '--quiet'], {
    cwd: folder,
    input: `${names.join('\n')}\n`,
    maxBuffer: 64 << 20,
  })
}

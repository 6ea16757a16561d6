import { createHash } from 'node:crypto'
import { existsSync, globSync, readFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { LodgeError } from '../../src/base/errors.ts'

/** What a guest image is made of, where it was found on this machine. */
export interface GuestParts {
  kernel: string
  /** The folder of the kernel's modules, with the `modules.dep` of depmod. */
  modules: string
  busybox: string
  /** Our own files: the guest's root file system and the boot loader's settings. */
  rootfs: string
  syslinuxConfig: string
  /** Changes when any of the above does, or the recipe that puts them together. */
  key: string
}

const here = import.meta.dirname
const kernelRoots = [join(here, '../../.cache/guest-kernel'), '/']

/**
 * Finds the parts that `./setup run` brings: Debian's cloud kernel (unpacked beside the checkout, or installed on
 * the machine) and its static busybox. Throws `unavailable` with the command to run when one is missing.
 */
export function findGuestParts(): GuestParts {
  const kernel = kernelRoots
    .flatMap((root) => globSync(join(root, 'boot/vmlinuz-*-cloud-amd64')).sort())
    .find((path) => existsSync(join(modulesOf(path), 'modules.dep')))
  if (kernel === undefined) throw missing('a Debian cloud kernel')
  const modules = modulesOf(kernel)
  const busybox = globSync('/{usr/,}bin/busybox').at(0)
  if (busybox === undefined) throw missing('busybox-static')
  const rootfs = join(here, 'rootfs')
  const syslinuxConfig = join(here, 'syslinux.cfg')
  return {
    kernel,
    modules,
    busybox,
    rootfs,
    syslinuxConfig,
    key: keyOf([kernel, busybox, '/usr/bin/syslinux']),
  }
}

const modulesOf = (kernel: string): string =>
  join(kernel, '../../lib/modules', basename(kernel).slice('vmlinuz-'.length))

/** Every file of the guest's root file system, relative to it, in a fixed order. */
export function rootfsFiles(rootfs: string): string[] {
  return globSync('**', { cwd: rootfs, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(rootfs.length + 1))
    .sort()
}

/** A hash over the given programs and over everything in this folder, the recipe included. */
function keyOf(programs: string[]): string {
  const hash = createHash('sha256')
  for (const path of [...programs, ...rootfsFiles(here).map((name) => join(here, name))]) {
    hash.update(`${path.slice(path.lastIndexOf('/'))}\0`).update(readFileSync(path))
  }
  return hash.digest('hex').slice(0, 16)
}

function missing(what: string): LodgeError {
  return new LodgeError('unavailable', `The guest image needs ${what}: run ./setup run.`)
}

import { randomUUID } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/**
 * What libvirtd found out about the emulators, kept from one run to the next because finding it takes many
 * seconds. libvirtd itself drops it when QEMU, libvirt or the kernel have changed.
 */
const kept = join(import.meta.dirname, '../../.cache/libvirt-capabilities')

/** Puts what is kept, if anything is, into a new libvirtd's cache directory. */
export function fillCapabilitiesCache(cacheDirectory: string): void {
  const target = join(cacheDirectory, 'qemu/capabilities')
  if (existsSync(kept)) cpSync(kept, target, { recursive: true, preserveTimestamps: true })
}

/** Keeps what that libvirtd has found out, unless something is kept already. */
export function keepCapabilitiesCache(cacheDirectory: string): void {
  const fresh = join(cacheDirectory, 'qemu/capabilities')
  if (!existsSync(fresh) || existsSync(kept)) return
  // By renaming, so that nobody meets half of it.
  const half = `${kept}.${randomUUID()}`
  mkdirSync(dirname(kept), { recursive: true })
  cpSync(fresh, half, { recursive: true, preserveTimestamps: true })
  try {
    renameSync(half, kept)
  } catch {
    rmSync(half, { recursive: true, force: true }) // another process was first
  }
}

import type { PowerState } from './server-state.ts'

/** What the hypervisor knows of a guest that runs or is paused. null: it does not tell. */
export interface GuestDiagnostics {
  powerState: PowerState
  /** libvirt's type of the domain: `kvm` or `qemu`. */
  hypervisor: string
  /** How much memory the guest may have, and has, KiB. */
  memory: { maximumKiB: number | null; usedKiB: number | null }
  /** Time that each virtual CPU has run, nanoseconds. */
  cpus: { id: number; timeNs: number | null }[]
  disks: GuestDisk[]
}

/** Since the guest was started. */
export interface GuestDisk {
  /** Such as `vda`. */
  target: string
  readBytes: number | null
  readRequests: number | null
  writeBytes: number | null
  writeRequests: number | null
}

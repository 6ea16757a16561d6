import type { ServerFlavor, ServerImage } from './server-spec.ts'
import type { PowerState, TaskState, VmState } from './server-state.ts'

/** The public key that a server was created with, as it was then. */
export interface ServerKey {
  name: string
  type: 'ssh' | 'x509'
  publicKey: string
}

/** A resize or cold migration that is under way, or neither confirmed nor reverted. */
export interface ServerResize {
  migrationId: string
  sourceHost: string
  destHost: string
  /** To come back to when it is reverted. */
  oldVmState: VmState
}

/** A server as the controller keeps it. Times are milliseconds since 1970. */
export interface Server {
  /** Counts servers in order of creation; gives the domain its name. */
  number: number
  id: string
  projectId: string
  userId: string
  name: string
  description: string | null
  hostname: string
  vmState: VmState
  taskState: TaskState | null
  powerState: PowerState
  /** Name of the host; null until placed. */
  host: string | null
  /** What was asked for at create; null: any. */
  availabilityZone: string | null
  /** As it was at create. */
  flavor: ServerFlavor
  /** Before a resize that is neither confirmed nor reverted; null otherwise. */
  oldFlavor: ServerFlavor | null
  resize: ServerResize | null
  /** As it was at create; null for a server without an image. */
  image: ServerImage | null
  key: ServerKey | null
  /** Base64, as it was sent. */
  userData: string | null
  configDrive: boolean
  metadata: Record<string, string>
  schedulerHints: Record<string, unknown>
  diskConfig: 'AUTO' | 'MANUAL'
  accessIpv4: string | null
  accessIpv6: string | null
  reservationId: string
  launchIndex: number
  rootDeviceName: string | null
  machineType: string | null
  lockedBy: 'owner' | 'admin' | null
  lockedReason: string | null
  progress: number
  createdAt: number
  updatedAt: number
  launchedAt: number | null
  terminatedAt: number | null
  /** Set once the server is deleted; its record stays for readers of deleted servers. */
  deletedAt: number | null
}

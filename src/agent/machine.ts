import { readFileSync } from 'node:fs'
import { loadavg, networkInterfaces, uptime } from 'node:os'

/** What the agent wants to know of its machine beyond what libvirt and the disks tell. */
export interface Machine {
  hostIp(): Promise<string>
  uptimeSeconds(): number
  loadAverage(): [number, number, number]
  /** Another one after each boot of the machine; undefined where the system has none. */
  bootId(): string | undefined
}

/** The machine that this process runs on. */
export function thisMachine(): Machine {
  let defaultInterface: Promise<string> | undefined
  return {
    async hostIp() {
      // Starts a program, so it is asked once. What address the interface has is asked anew each time.
      defaultInterface ??= findDefaultInterface()
      return addressOf(await defaultInterface)
    },
    uptimeSeconds: () => Math.floor(uptime()),
    loadAverage: () => loadavg() as [number, number, number],
    bootId: readBootId,
  }
}

async function findDefaultInterface(): Promise<string> {
  // Loaded when first wanted: simulated hosts and tests do without.
  const { networkInterfaceDefault } = await import('systeminformation')
  // Without an answer the first address that leads outward has to do.
  return networkInterfaceDefault().catch(() => '')
}

function addressOf(preferred: string): string {
  const all = networkInterfaces()
  const candidates = [
    ...(all[preferred] ?? []),
    ...Object.values(all).flatMap((addresses) => addresses ?? []),
  ]
  const outward = candidates.filter(({ internal }) => !internal)
  return (outward.find(({ family }) => family === 'IPv4') ?? outward[0])?.address ?? '127.0.0.1'
}

function readBootId(): string | undefined {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'utf8').trim()
  } catch {
    return undefined
  }
}

/** A simulated host's machine: up since now, and idle unless its load is given. */
export function simulatedMachine(
  options: { hostIp?: string; now?: () => number; loadAverage?: Machine['loadAverage'] } = {},
): Machine {
  const now = options.now ?? Date.now
  const since = now()
  return {
    hostIp: async () => options.hostIp ?? '127.0.0.1',
    uptimeSeconds: () => Math.floor((now() - since) / 1000),
    loadAverage: options.loadAverage ?? (() => [0, 0, 0]),
    bootId: () => undefined,
  }
}

import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Config } from '../base/config.ts'
import { findViolations } from '../conductor/invariants.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { openLibvirtHypervisor } from '../hypervisor/libvirt/libvirt-hypervisor.ts'
import { silentLogger } from '../base/logging.ts'
import { systemClock } from '../base/clock.ts'
import type { Store } from '../store/store.ts'
import { stateDirectory } from './state-directory.ts'
import { openStateReadOnly } from './status.ts'

export interface Examination {
  /** One sentence each; empty when all is well. */
  findings: string[]
  examined: { servers: number; domains: number; disks: number }
}

/**
 * Holds records, libvirt's domains and the disks of this host against each other. Servers that an action is working
 * on right now are passed over, since they are between two states by right. Changes nothing.
 * @throws LodgeError badRequest without a state directory, unavailable when libvirt does not answer
 */
export async function examine(config: Config): Promise<Examination> {
  const store = await openStateReadOnly(config)
  try {
    const findings = await findViolations(store.db, Date.now())
    const servers = await placedServers(store)
    const disks = diskDirectories(join(stateDirectory(config.stateDirectory).agent, 'servers'))
    const domains = await ownDomains(config)
    if (domains) findings.push(...compare({ ...servers, disks, domains }))
    return {
      findings,
      examined: { servers: servers.placed.size, domains: domains?.length ?? 0, disks: disks.length },
    }
  } finally {
    await store.close()
  }
}

interface Found {
  /** Servers that should have a domain and a disk on this host. */
  placed: Set<string>
  /** Servers with an action under way. */
  busy: Set<string>
  domains: string[]
  disks: string[]
}

function compare({ placed, busy, domains, disks }: Found): string[] {
  const strays = (found: string[]) => found.filter((id) => !placed.has(id) && !busy.has(id))
  const missing = (found: string[]) => [...placed].filter((id) => !found.includes(id) && !busy.has(id))
  return [
    ...strays(domains).map((id) => `domain ${id} has no server`),
    ...strays(disks).map((id) => `disk directory of ${id} has no server`),
    ...missing(domains).map((id) => `server ${id} has no domain`),
    ...missing(disks).map((id) => `server ${id} has no disk`),
  ]
}

async function placedServers(store: Store): Promise<{ placed: Set<string>; busy: Set<string> }> {
  const placed = await store.db
    .selectFrom('servers')
    .select('id')
    .where('deleted_at', 'is', null)
    .where('host', 'is not', null)
    .where('vm_state', 'not in', ['error', 'building'])
    .execute()
  const busy = await store.db
    .selectFrom('actions')
    .select('server_id')
    .where('finished_at', 'is', null)
    .execute()
  const failed = await store.db
    .selectFrom('servers')
    .select('id')
    .where('deleted_at', 'is', null)
    .where('host', 'is not', null)
    .where('vm_state', 'in', ['error'])
    .execute()
  return {
    placed: new Set(placed.map((row) => row.id)),
    // A server in ERROR may or may not have kept its domain; both are right.
    busy: new Set([...busy.map((row) => row.server_id), ...failed.map((row) => row.id)]),
  }
}

function diskDirectories(path: string): string[] {
  try {
    return readdirSync(path)
  } catch {
    return []
  }
}

/** UUIDs of the domains whose disks lie in our state directory; undefined on simulated hosts. */
async function ownDomains(config: Config): Promise<string[] | undefined> {
  if (config.simulate.hosts > 0) return undefined
  const hypervisor = await openLibvirtHypervisor({
    uri: config.agent.libvirtUri,
    virtType: config.agent.virtType,
    log: silentLogger(),
    clock: systemClock,
  })
  try {
    const { agent } = stateDirectory(config.stateDirectory)
    const ours = await Promise.all(
      (await hypervisor.listDomains())
        .filter((domain) => domain.isLodge)
        .map(async ({ uuid }) => ((await xmlOf(hypervisor, uuid)).includes(`${agent}/`) ? [uuid] : [])),
    )
    return ours.flat()
  } finally {
    await hypervisor.close()
  }
}

/** Empty when the domain went away since it was listed. */
async function xmlOf(hypervisor: Hypervisor, uuid: string): Promise<string> {
  return hypervisor.domainXml(uuid).catch(() => '')
}

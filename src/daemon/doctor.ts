import { existsSync, readdirSync } from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { isServerId } from '../agent/disk/names.ts'
import { readOwnerMark } from '../agent/disk/owner-mark.ts'
import type { Config } from '../base/config.ts'
import { findViolations } from '../conductor/invariants.ts'
import type { Hypervisor } from '../hypervisor/hypervisor.ts'
import { openLibvirtHypervisor } from '../hypervisor/libvirt/libvirt-hypervisor.ts'
import { silentLogger } from '../base/logging.ts'
import { systemClock } from '../base/clock.ts'
import { isServerDomainName } from '../model/server-spec.ts'
import type { ServerResize } from '../model/server.ts'
import type { Store } from '../store/store.ts'
import { openStoreReadOnly } from './open-store.ts'
import { stateDirectory } from './state-directory.ts'

export interface Examination {
  /** One sentence each; empty when all is well. */
  findings: string[]
  examined: { servers: number; domains: number; disks: number }
}

/**
 * Holds records, libvirt's domains and the disks of this host against each other. Servers that an action is working
 * on right now are passed over, since they are between two states by right. Changes nothing. May be run beside a
 * Lodge at work: what does not agree must do so by the records before the look at the host and by those after it.
 * Domains of others that have names such as servers' domains get are found, too: a build that comes to one fails.
 * @throws LodgeError badRequest without a state directory, unavailable when libvirt does not answer
 */
export async function examine(config: Config): Promise<Examination> {
  const store = await openStoreReadOnly(config, stateDirectory(config.stateDirectory))
  try {
    const host = config.agent.hostName ?? hostname()
    const findings = await findViolations(store.db, Date.now())
    const before = await readRecords(store, host)
    const disks = await diskDirectories(config, host)
    // Simulated hosts have neither domains nor disks to look at.
    const { domains, namesakes } =
      before.isKnown || disks.length > 0 ? await readDomains(config) : { domains: [], namesakes: [] }
    const after = await readRecords(store, host)
    const still = new Set(compare(after, { domains, disks }))
    findings.push(...compare(before, { domains, disks }).filter((sentence) => still.has(sentence)))
    findings.push(...namesakes)
    return {
      findings,
      examined: { servers: after.servers, domains: domains.length, disks: disks.length },
    }
  } finally {
    await store.close()
  }
}

/** What the store says of this host. */
export interface Records {
  /** The host has ever reported itself. */
  isKnown: boolean
  /** How many servers are placed, on whichever host. */
  servers: number
  /** Servers that should have a domain and a disk on this host. */
  here: Set<string>
  /** Servers that moved and whose former disks this host keeps until that is confirmed. */
  kept: Set<string>
  /** Servers with an action under way; and those in ERROR, which may or may not have kept what they had. */
  undecided: Set<string>
}

/** One sentence for each domain and each directory of disks that is too many or too few by the records. */
export function compare(
  { here, kept, undecided }: Records,
  { domains, disks }: { domains: string[]; disks: string[] },
): string[] {
  const strays = (found: string[]) => found.filter((id) => !here.has(id) && !undecided.has(id))
  // Disks that were put aside, and disks on their way, lie beside those of servers.
  const settled = disks.flatMap((name) => {
    const [id = '', suffix] = name.split('_')
    if (suffix === undefined) return [name]
    return undecided.has(id) || (suffix === 'resize' && kept.has(id)) ? [] : [name]
  })
  const missing = (found: Set<string>) => [...here].filter((id) => !found.has(id) && !undecided.has(id))
  return [
    ...strays(domains).map((id) => `domain ${id} has no server`),
    ...strays(settled).map((id) => `disk directory of ${id} has no server`),
    ...missing(new Set(domains)).map((id) => `server ${id} has no domain`),
    ...missing(new Set(disks)).map((id) => `server ${id} has no disk`),
  ]
}

async function readRecords({ db }: Store, host: string): Promise<Records> {
  const known = await db.selectFrom('hosts').select('id').where('name', '=', host).executeTakeFirst()
  const placed = await db
    .selectFrom('servers')
    .select(['id', 'host', 'vm_state', 'resize_json'])
    .where('deleted_at', 'is', null)
    .where('host', 'is not', null)
    .where('vm_state', '!=', 'building')
    .execute()
  const busy = await db.selectFrom('actions').select('server_id').where('finished_at', 'is', null).execute()
  const failed = placed.filter((row) => row.vm_state === 'error')
  const sound = placed.filter((row) => row.vm_state !== 'error')
  return {
    isKnown: known !== undefined,
    servers: sound.length,
    here: new Set(sound.filter((row) => row.host === host).map((row) => row.id)),
    kept: new Set(placed.filter((row) => keepsAside(row.resize_json, host)).map((row) => row.id)),
    undecided: new Set([...busy.map((row) => row.server_id), ...failed.map((row) => row.id)]),
  }
}

const keepsAside = (resize: string | null, host: string): boolean =>
  resize !== null && (JSON.parse(resize) as ServerResize).sourceHost === host

/** In a directory that other hosts see, those alone that are this host's. */
async function diskDirectories(config: Config, host: string): Promise<string[]> {
  const path = join(disksOf(config), 'servers')
  if (!existsSync(path)) return []
  const names = readdirSync(path)
  if (config.agent.instancesDirectory === null) return names
  const ours: string[] = []
  for (const name of names.filter(isServerId))
    if ((await readOwnerMark(join(path, name)))?.host === host) ours.push(name)
  return ours
}

const disksOf = ({ agent, stateDirectory: root }: Config): string =>
  agent.instancesDirectory ?? stateDirectory(root).agent

/** UUIDs of the domains whose disks lie where ours are, and a sentence on each other one with a name like theirs. */
async function readDomains(config: Config): Promise<{ domains: string[]; namesakes: string[] }> {
  const hypervisor = await openLibvirtHypervisor({
    uri: config.agent.libvirtUri,
    virtType: config.agent.virtType,
    log: silentLogger(),
    clock: systemClock,
  })
  try {
    const domains: string[] = []
    const namesakes: string[] = []
    for (const { uuid, name, isLodge } of await hypervisor.listDomains()) {
      const xml = isLodge ? await xmlOf(hypervisor, uuid) : ''
      const isGone = isLodge && xml === ''
      if (isLodge && xml.includes(`${disksOf(config)}/`)) domains.push(uuid)
      else if (!isGone && isServerDomainName(name))
        namesakes.push(
          `domain ${uuid} has the name ${name}, as servers' domains have, and is not of this Lodge: rename or remove it`,
        )
    }
    return { domains, namesakes }
  } finally {
    await hypervisor.close()
  }
}

/** Empty when the domain went away since it was listed. */
async function xmlOf(hypervisor: Hypervisor, uuid: string): Promise<string> {
  return hypervisor.domainXml(uuid).catch(() => '')
}

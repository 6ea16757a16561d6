import { LodgeError } from '../../base/errors.ts'
import type { DomainSummary } from '../../hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import { powerState } from '../../model/server-state.ts'
import type { ServerDisks } from '../disk/disks.ts'
import { domainXml, type DomainXml } from '../domain-xml/domain-xml.ts'
import { isActive } from '../domain-watch.ts'
import { defineDomain } from './define-domain.ts'
import type { VerbContext } from './verb.ts'

/** The domain of a server that must have one. @throws LodgeError notFound */
export async function needDomain(context: VerbContext, serverId: string): Promise<DomainSummary> {
  const domain = await context.hypervisor.findDomain(serverId)
  if (!domain) throw new LodgeError('notFound', `The server has no domain on host ${context.host}`)
  return domain
}

/** The disks that the host has on record for a server. @throws LodgeError notFound */
export async function needDisks(
  context: VerbContext,
  serverId: string,
  spec?: ServerSpec,
): Promise<ServerDisks> {
  let disks = await context.disks.describe(serverId)
  // Put aside by a move that ended half-way; whoever starts the server here says that this is its place.
  if (!disks && (await context.disks.putBack(serverId))) disks = await context.disks.describe(serverId)
  if (!disks && spec) disks = await adoptWhole(context, spec)
  if (!disks) throw new LodgeError('notFound', `The disks of the server are not on host ${context.host}`)
  return disks
}

/** Disks that came with a move whose end this host did not hear of: the controller has the server here. */
async function adoptWhole({ disks }: VerbContext, spec: ServerSpec): Promise<ServerDisks | undefined> {
  const migrationId = await disks.arrivalOf(spec.id)
  return migrationId === undefined ? undefined : disks.adopt(spec, migrationId, new AbortController().signal)
}

/** The guest is in a state from which the verb does not lead. @throws LodgeError conflict, always */
export function refuse(what: string, domain: DomainSummary): never {
  const words: Record<number, string> = {
    [powerState.RUNNING]: 'running',
    [powerState.PAUSED]: 'paused',
    [powerState.SHUTDOWN]: domain.managedSave ? 'suspended' : 'shut down',
    [powerState.CRASHED]: 'crashed',
    [powerState.SUSPENDED]: 'asleep',
  }
  throw new LodgeError(
    'conflict',
    `Cannot ${what} the guest, because it is ${words[domain.powerState] ?? 'in no state'}`,
  )
}

/**
 * Makes the domain's definition anew and starts it, without what a suspend may have saved: Nova starts a stopped
 * server and reboots hard in this way.
 * @returns the spec with the machine type that it has now
 */
export async function bootAfresh(
  context: VerbContext,
  spec: ServerSpec,
  disks: ServerDisks,
): Promise<ServerSpec> {
  const { xml, machineType } = await writeDomain(context, spec, disks)
  await defineDomain(context, spec, xml)
  await startIfOff(context, spec.id, { discardSaved: true })
  return { ...spec, machineType }
}

export async function writeDomain(
  context: VerbContext,
  spec: ServerSpec,
  disks: ServerDisks,
): Promise<DomainXml> {
  return domainXml({
    spec,
    disks,
    capabilities: await context.capabilities(),
    settings: context.settings,
    consoleLogPath: context.disks.consoleLogPath(spec.id),
  })
}

/** The spec with the machine type of the server's first boot on this host, where the controller has it not. */
export function keepMachineType(context: VerbContext, spec: ServerSpec): ServerSpec {
  if (spec.machineType !== null) return spec
  return { ...spec, machineType: context.recordedSpec(spec.id)?.machineType ?? null }
}

/**
 * Starts the domain. That someone else started it in the meantime is as good. Where another program took the port that
 * libvirt had chosen for the console, libvirt chooses once more.
 */
export async function startIfOff(
  context: VerbContext,
  serverId: string,
  options: { discardSaved?: boolean } = {},
): Promise<void> {
  await unlessRunning(context, serverId, async () => {
    try {
      await context.hypervisor.start(serverId, options)
    } catch (error) {
      if (!isPortTaken(error)) throw error
      context.log.info({ server: serverId, reason: error.message }, 'a port was taken; starting once more')
      await context.hypervisor.start(serverId, options)
    }
  })
}

/** QEMU's words, as libvirt hands them on; it has no code for it. */
const isPortTaken = (error: unknown): error is LodgeError =>
  isKind(error, 'internal') && /address already in use/i.test(error.message)

/**
 * Lets a domain that was seen paused run on. While libvirt starts a domain it shows it paused, so a command that is
 * repeated after a crash of ours may meet the start that the first one had asked for: that it runs is as good.
 */
export async function runOn(context: VerbContext, serverId: string): Promise<void> {
  await unlessRunning(context, serverId, () => context.hypervisor.resume(serverId))
}

async function unlessRunning(
  { hypervisor }: VerbContext,
  serverId: string,
  work: () => Promise<void>,
): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!isKind(error, 'conflict')) throw error
    const domain = await hypervisor.findDomain(serverId)
    if (domain?.powerState !== powerState.RUNNING) throw error
  }
}

/** Cuts the power of a domain, if there is one and it has power. */
export async function cutPower(
  { hypervisor }: VerbContext,
  serverId: string,
  options: { graceful: boolean },
): Promise<void> {
  try {
    await hypervisor.destroy(serverId, options)
  } catch (error) {
    if (isKind(error, 'notFound')) return
    if (!isKind(error, 'conflict')) throw error
    // It went off by itself in this moment, or libvirt is busy with it.
    const domain = await hypervisor.findDomain(serverId)
    if (domain && isActive(domain.powerState)) throw error
  }
}

export const isKind = (error: unknown, kind: LodgeError['kind']): error is LodgeError =>
  error instanceof LodgeError && error.kind === kind

import { isIPv6 } from 'node:net'
import {
  VIR_CPU_COMPARE_IDENTICAL,
  VIR_CPU_COMPARE_SUPERSET,
  VIR_DOMAIN_JOB_BOUNDED,
  VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN,
  VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT,
  VIR_DOMAIN_JOB_UNBOUNDED,
  VIR_DOMAIN_RUNNING,
  VIR_DOMAIN_RUNNING_MIGRATION_CANCELED,
  VIR_MIGRATE_AUTO_CONVERGE,
  VIR_MIGRATE_LIVE,
  VIR_MIGRATE_NON_SHARED_INC,
  VIR_MIGRATE_PEER2PEER,
  VIR_MIGRATE_PERSIST_DEST,
  VIR_MIGRATE_POSTCOPY,
  VIR_MIGRATE_TLS,
  VIR_MIGRATE_UNDEFINE_SOURCE,
  VIR_MIGRATE_UNSAFE,
} from '../../libvirt/constants.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'
import type { Params, TypedParam } from '../../libvirt/values.ts'
import type { DomainJob, DomainMigration, HypervisorCapabilities, JobAmount } from '../hypervisor.ts'

/** Moves a domain, the two libvirtds talking to each other; see `Hypervisor.migrate`. */
export async function migrateDomain(
  libvirt: Libvirt,
  uuid: string,
  migration: DomainMigration,
): Promise<void> {
  await libvirt.call('domainMigrateToURI3', {
    uuid,
    connectionUri: migration.destinationUri,
    params: paramsOf(migration),
    flags: flagsOf(migration),
  })
}

function flagsOf({ copyDisks, tls, autoConverge, postCopy }: DomainMigration): number {
  return (
    VIR_MIGRATE_LIVE |
    VIR_MIGRATE_PEER2PEER |
    VIR_MIGRATE_PERSIST_DEST |
    VIR_MIGRATE_UNDEFINE_SOURCE |
    // That both see the same files was found out by trying; libvirt goes by the name of the file system.
    (copyDisks.length > 0 ? VIR_MIGRATE_NON_SHARED_INC : VIR_MIGRATE_UNSAFE) |
    (tls ? VIR_MIGRATE_TLS : 0) |
    (autoConverge ? VIR_MIGRATE_AUTO_CONVERGE : 0) |
    (postCopy ? VIR_MIGRATE_POSTCOPY : 0)
  )
}

function paramsOf(migration: DomainMigration): TypedParam[] {
  const { xml, persistentXml, copyDisks, dataAddress, bandwidthMiBps } = migration
  const params: TypedParam[] = [
    { name: 'destination_xml', type: 'string', value: xml },
    { name: 'persistent_xml', type: 'string', value: persistentXml },
    ...copyDisks.map((disk): TypedParam => ({ name: 'migrate_disks', type: 'string', value: disk })),
  ]
  if (bandwidthMiBps > 0) params.push({ name: 'bandwidth', type: 'ullong', value: bandwidthMiBps })
  if (dataAddress === null) return params
  const host = isIPv6(dataAddress) ? `[${dataAddress}]` : dataAddress
  return [...params, { name: 'migrate_uri', type: 'string', value: `tcp://${host}` }]
}

/** See `Hypervisor.cameBack`. */
export async function cameBack(libvirt: Libvirt, uuid: string): Promise<boolean> {
  const { state, reason } = await libvirt.call('domainGetState', { uuid })
  return state === VIR_DOMAIN_RUNNING && reason === VIR_DOMAIN_RUNNING_MIGRATION_CANCELED
}

/** The domain's job; undefined for none. @throws LodgeError notFound for no such domain */
export async function jobOf(libvirt: Libvirt, uuid: string): Promise<DomainJob | undefined> {
  const { type, params } = await libvirt.call('domainGetJobStats', { uuid })
  if (type !== VIR_DOMAIN_JOB_BOUNDED && type !== VIR_DOMAIN_JOB_UNBOUNDED) return undefined
  return {
    operation: operations[Number(params['operation'])] ?? 'other',
    memory: amountOf(params, 'memory'),
    disk: amountOf(params, 'disk'),
  }
}

const operations: Record<number, DomainJob['operation']> = {
  [VIR_DOMAIN_JOB_OPERATION_MIGRATION_IN]: 'migration-in',
  [VIR_DOMAIN_JOB_OPERATION_MIGRATION_OUT]: 'migration-out',
}

const amountOf = (params: Params, of: string): JobAmount => ({
  total: Number(params[`${of}_total`] ?? 0),
  processed: Number(params[`${of}_processed`] ?? 0),
  remaining: Number(params[`${of}_remaining`] ?? 0),
})

/** Whether what this host gives its guests holds all that the given processor has. */
export async function canRunCpu(
  libvirt: Libvirt,
  { emulator, arch, virtType }: HypervisorCapabilities,
  cpuXml: string,
): Promise<boolean> {
  const { result } = await libvirt.call('connectCompareHypervisorCPU', { emulator, arch, virtType, cpuXml })
  return result === VIR_CPU_COMPARE_IDENTICAL || result === VIR_CPU_COMPARE_SUPERSET
}

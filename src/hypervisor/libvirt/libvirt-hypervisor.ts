import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import type { Logger } from '../../base/logging.ts'
import {
  VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE,
  VIR_DOMAIN_EVENT_DEFINED,
  VIR_DOMAIN_EVENT_UNDEFINED,
  VIR_DOMAIN_METADATA_ELEMENT,
  VIR_DOMAIN_START_FORCE_BOOT,
  VIR_DOMAIN_START_PAUSED,
  VIR_DOMAIN_TIME_SYNC,
  VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA,
  VIR_DOMAIN_UNDEFINE_MANAGED_SAVE,
  VIR_DOMAIN_UNDEFINE_NVRAM,
  VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA,
  VIR_DOMAIN_XML_INACTIVE,
  VIR_DOMAIN_XML_MIGRATABLE,
  VIR_DOMAIN_XML_SECURE,
} from '../../libvirt/constants.ts'
import { openLibvirt, type Libvirt } from '../../libvirt/libvirt.ts'
import type { DomainSummary, Hypervisor } from '../hypervisor.ts'
import { lodgeMetadataNamespace } from '../lodge-metadata.ts'
import type { VirtTypeSetting } from '../virt-type.ts'
import { completedMigration } from './completed-migration.ts'
import { copyDisk } from './copy-disk.ts'
import { destroyDomain } from './destroy-domain.ts'
import { subscribeToDomainEvents } from './domain-events.ts'
import { powerStateOf } from './domain-states.ts'
import { readHostMemory } from './host-memory.ts'
import { cameBack, canRunCpu, jobOf, migrateDomain } from './migrate-domain.ts'
import { readCapabilities } from './read-capabilities.ts'
import { statisticsFlags } from './statistics.ts'
import { watchWrites } from './watch-writes.ts'

export interface LibvirtHypervisorOptions {
  /** Such as `qemu:///system`. */
  uri: string
  virtType: VirtTypeSetting
  /** Goes on trying when libvirt does not answer at first: then not connected yet. */
  patient?: boolean
  clock: Clock
  log: Logger
}

/**
 * The hypervisor behind libvirt at `uri`, connected unless it is to be patient.
 * @throws LodgeError unavailable when libvirt does not answer
 */
export async function openLibvirtHypervisor(options: LibvirtHypervisorOptions): Promise<Hypervisor> {
  const { uri, patient, clock, log: logger } = options
  const libvirt = await openLibvirt({ uri, patient, clock, logger })
  return createLibvirtHypervisor(libvirt, options)
}

function createLibvirtHypervisor(libvirt: Libvirt, options: LibvirtHypervisorOptions): Hypervisor {
  const ours = createOwnershipCache(libvirt)

  const summary = async (row: { uuid: string; name: string; state: number }, managedSave: boolean) =>
    ({
      uuid: row.uuid,
      name: row.name,
      powerState: powerStateOf(row.state),
      managedSave,
      isLodge: await ours.has(row.uuid),
    }) satisfies DomainSummary

  return {
    kind: 'libvirt',
    get connected() {
      return libvirt.connected
    },
    capabilities: () => readCapabilities(libvirt, options.virtType),
    memoryUsedMiB: async () => (await readHostMemory(libvirt)).usedMiB,

    listDomains: async () => {
      const [all, saved] = await Promise.all([
        libvirt.call('connectListAllDomains', {}),
        libvirt.call('connectListAllDomains', { flags: VIR_CONNECT_LIST_DOMAINS_MANAGEDSAVE }),
      ])
      const withSave = new Set(saved.map(({ uuid }) => uuid))
      return Promise.all(all.map((row) => summary(row, withSave.has(row.uuid))))
    },
    findDomain: async (uuid) => {
      try {
        const [domain, { state }, { present }] = await Promise.all([
          libvirt.call('domainLookupByUUID', { uuid }),
          libvirt.call('domainGetState', { uuid }),
          libvirt.call('domainHasManagedSaveImage', { uuid }),
        ])
        return await summary({ ...domain, state }, present === 1)
      } catch (error) {
        return undefinedWhenGone(error)
      }
    },
    domainXml: async (uuid) => (await libvirt.call('domainGetXMLDesc', { uuid })).xml,

    define: async (xml) => {
      const { uuid } = await libvirt.call('domainDefineXMLFlags', { xml })
      ours.forget(uuid)
    },
    start: async (uuid, { paused = false, discardSaved = false } = {}) => {
      const flags = (paused ? VIR_DOMAIN_START_PAUSED : 0) | (discardSaved ? VIR_DOMAIN_START_FORCE_BOOT : 0)
      await libvirt.call('domainCreateWithFlags', { uuid, flags })
    },
    undefine: async (uuid) => {
      const flags =
        VIR_DOMAIN_UNDEFINE_MANAGED_SAVE |
        VIR_DOMAIN_UNDEFINE_SNAPSHOTS_METADATA |
        VIR_DOMAIN_UNDEFINE_CHECKPOINTS_METADATA |
        VIR_DOMAIN_UNDEFINE_NVRAM
      await libvirt.call('domainUndefineFlags', { uuid, flags })
      ours.forget(uuid)
    },
    requestShutdown: async (uuid) => {
      await libvirt.call('domainShutdownFlags', { uuid })
    },
    requestReboot: async (uuid) => {
      await libvirt.call('domainReboot', { uuid })
    },
    reset: async (uuid) => {
      await libvirt.call('domainReset', { uuid })
    },
    destroy: (uuid, { graceful = false } = {}) => destroyDomain(libvirt, options.clock, uuid, { graceful }),
    suspend: async (uuid) => {
      await libvirt.call('domainSuspend', { uuid })
    },
    resume: async (uuid) => {
      await libvirt.call('domainResume', { uuid })
    },
    managedSave: async (uuid) => {
      await libvirt.call('domainManagedSave', { uuid })
    },
    removeManagedSave: async (uuid) => {
      const { present } = await libvirt.call('domainHasManagedSaveImage', { uuid })
      if (present === 1) await libvirt.call('domainManagedSaveRemove', { uuid })
    },
    syncTime: async (uuid) => {
      const time = { seconds: 0, nanoseconds: 0, flags: VIR_DOMAIN_TIME_SYNC }
      await libvirt.call('domainSetTime', { uuid, ...time }).catch(ignoreMissingAgent)
    },
    agentCommand: async (uuid, command, timeoutSeconds) => {
      const text = JSON.stringify(command)
      const { answer } = await libvirt.call('domainQemuAgentCommand', { uuid, command: text, timeoutSeconds })
      return JSON.parse(answer)
    },
    freeze: async (uuid) => {
      await libvirt.call('domainFSFreeze', { uuid, mountpoints: [] })
    },
    thaw: async (uuid) => {
      await libvirt.call('domainFSThaw', { uuid, mountpoints: [] })
    },
    copyDisk: (uuid, disk, target, how) => copyDisk(libvirt, options.clock, { uuid, disk, target, ...how }),

    migratableXml: async (uuid, of) => {
      const flags =
        VIR_DOMAIN_XML_SECURE |
        VIR_DOMAIN_XML_MIGRATABLE |
        (of === 'definition' ? VIR_DOMAIN_XML_INACTIVE : 0)
      return (await libvirt.call('domainGetXMLDesc', { uuid, flags })).xml
    },
    canRunCpu: async (cpuXml) =>
      canRunCpu(libvirt, await readCapabilities(libvirt, options.virtType), cpuXml),
    migrate: (uuid, migration) => migrateDomain(libvirt, uuid, migration),
    watchWrites: (uuid, seconds) => watchWrites(libvirt, options.clock, uuid, seconds),
    completedMigration: (uuid) => completedMigration(libvirt, uuid),
    cameBack: (uuid) => cameBack(libvirt, uuid),
    domainJob: (uuid) => jobOf(libvirt, uuid),
    abortJob: async (uuid) => {
      await libvirt.call('domainAbortJob', { uuid })
    },
    setMaxDowntime: async (uuid, milliseconds) => {
      await libvirt.call('domainMigrateSetMaxDowntime', { uuid, milliseconds })
    },
    startPostCopy: async (uuid) => {
      await libvirt.call('domainMigrateStartPostCopy', { uuid })
    },
    domainStats: async (uuid, groups) =>
      (await libvirt.call('domainGetStats', { uuid, stats: statisticsFlags(groups) })).params,

    onEvent: (listener) => subscribeToDomainEvents(libvirt, listener),
    onConnection: (listener) => {
      const stops = [
        libvirt.on('connected', () => listener(true)),
        libvirt.on('disconnected', () => listener(false)),
      ]
      return () => stops.forEach((stop) => stop())
    },
    close: () => libvirt.close(),
  }
}

/** Which domains carry Lodge's metadata element; asked once for each definition. */
function createOwnershipCache(libvirt: Libvirt) {
  const known = new Map<string, Promise<boolean>>()
  const ask = async (uuid: string): Promise<boolean> => {
    try {
      await libvirt.call('domainGetMetadata', {
        uuid,
        type: VIR_DOMAIN_METADATA_ELEMENT,
        uri: lodgeMetadataNamespace,
      })
      return true
    } catch (error) {
      // A domain without the element, or one that has just gone, is none of ours; other failures are not answers.
      if (error instanceof LodgeError && error.kind === 'notFound') return false
      known.delete(uuid)
      throw error
    }
  }
  libvirt.on('lifecycle', ({ uuid, event }) => {
    if (event === VIR_DOMAIN_EVENT_DEFINED || event === VIR_DOMAIN_EVENT_UNDEFINED) known.delete(uuid)
  })
  libvirt.on('connected', () => known.clear())
  return {
    has(uuid: string): Promise<boolean> {
      const answer = known.get(uuid) ?? ask(uuid)
      known.set(uuid, answer)
      return answer
    },
    forget: (uuid: string) => known.delete(uuid),
  }
}

function undefinedWhenGone(error: unknown): undefined {
  if (error instanceof LodgeError && error.kind === 'notFound') return undefined
  throw error
}

/** No guest agent, or none that answers: nothing to be done, and nothing lost. */
function ignoreMissingAgent(error: unknown): undefined {
  if (error instanceof LodgeError && ['conflict', 'notImplemented', 'badRequest'].includes(error.kind))
    return undefined
  throw error
}

import type { ArgumentsOf, Fields, RecordOf } from './values.ts'

/**
 * `quick` calls are answered from libvirtd's memory; `slow` ones may wait for QEMU, a disk or another job of the
 * domain. Each lane has its own threads and connections, so that the quick never wait for the slow.
 */
export type Lane = 'quick' | 'slow'

type CallRow = { lane: Lane; args: Fields } & ({ result: Fields } | { list: Fields })

const quick = { lane: 'quick' } as const
const slow = { lane: 'slow' } as const
const onDomain = { uuid: 'string' } as const
const domain = { uuid: 'string', name: 'string', id: 'i32' } as const
const nothing = {} as const

/**
 * Every call that the binding can make, one row each, in the order of native/calls.def, whose rows these equal:
 * names are libvirt's without `vir`, and what a call does, takes and answers is libvirt's documentation's word. A
 * row whose first argument is `uuid` works on that domain; domains are never held, so nothing can be used after
 * it was freed. A `result` is one record, a `list` is an array of them. An `id` of -1 means: not running.
 */
export const calls = {
  connectGetVersion: {
    ...quick,
    args: nothing,
    result: { library: 'u64', hypervisor: 'u64', driver: 'string' },
  },
  connectGetHostname: { ...quick, args: nothing, result: { hostname: 'string' } },
  connectGetCapabilities: { ...slow, args: nothing, result: { xml: 'string' } },
  connectGetDomainCapabilities: {
    ...slow,
    args: { emulator: 'string?', arch: 'string?', machine: 'string?', virtType: 'string?', flags: 'u32' },
    result: { xml: 'string' },
  },
  connectGetSysinfo: { ...quick, args: { flags: 'u32' }, result: { xml: 'string' } },
  nodeGetInfo: {
    ...quick,
    args: nothing,
    result: {
      model: 'string',
      memoryKiB: 'u64',
      cpus: 'u32',
      mhz: 'u32',
      nodes: 'u32',
      sockets: 'u32',
      cores: 'u32',
      threads: 'u32',
    },
  },
  /** `cell` -1: the whole host. KiB. */
  nodeGetMemoryStats: {
    ...quick,
    args: { cell: 'i32', flags: 'u32' },
    list: { field: 'string', value: 'u64' },
  },
  /** `cpu` -1: all together. Nanoseconds since the host started. */
  nodeGetCPUStats: { ...quick, args: { cpu: 'i32', flags: 'u32' }, list: { field: 'string', value: 'u64' } },
  nodeGetFreeMemory: { ...quick, args: nothing, result: { bytes: 'u64' } },
  /** In one call what would be a list and a question for each domain's state; one that ends meanwhile is left out. */
  connectListAllDomains: {
    ...quick,
    args: { flags: 'u32' },
    list: { ...domain, state: 'i32', reason: 'i32' },
  },
  connectGetAllDomainStats: {
    ...slow,
    args: { stats: 'u32', flags: 'u32' },
    list: { uuid: 'string', name: 'string', params: 'params' },
  },

  domainDefineXMLFlags: { ...slow, args: { xml: 'string', flags: 'u32' }, result: domain },
  domainCreateXML: { ...slow, args: { xml: 'string', flags: 'u32' }, result: domain },
  domainLookupByName: { ...quick, args: { name: 'string' }, result: domain },
  domainLookupByUUID: { ...quick, args: onDomain, result: domain },
  domainCreateWithFlags: { ...slow, args: { ...onDomain, flags: 'u32' }, result: { id: 'i32' } },
  domainUndefineFlags: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainIsPersistent: { ...quick, args: onDomain, result: { persistent: 'i32' } },
  domainGetState: {
    ...quick,
    args: { ...onDomain, flags: 'u32' },
    result: { state: 'i32', reason: 'i32' },
  },
  domainGetInfo: {
    ...quick,
    args: onDomain,
    result: { state: 'u32', maxMemoryKiB: 'u64', memoryKiB: 'u64', vcpus: 'u32', cpuTimeNs: 'u64' },
  },
  domainGetXMLDesc: { ...quick, args: { ...onDomain, flags: 'u32' }, result: { xml: 'string' } },
  domainShutdownFlags: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainReboot: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainReset: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainDestroyFlags: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainSuspend: { ...slow, args: onDomain, result: nothing },
  domainResume: { ...slow, args: onDomain, result: nothing },
  domainManagedSave: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainManagedSaveRemove: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  domainHasManagedSaveImage: { ...quick, args: { ...onDomain, flags: 'u32' }, result: { present: 'i32' } },
  domainInjectNMI: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  /** With VIR_DOMAIN_TIME_SYNC the time given is not used. */
  domainSetTime: {
    ...slow,
    args: { ...onDomain, seconds: 'i64', nanoseconds: 'u32', flags: 'u32' },
    result: nothing,
  },
  domainSetMetadata: {
    ...slow,
    args: { ...onDomain, type: 'i32', metadata: 'string?', key: 'string?', uri: 'string?', flags: 'u32' },
    result: nothing,
  },
  domainGetMetadata: {
    ...quick,
    args: { ...onDomain, type: 'i32', uri: 'string?', flags: 'u32' },
    result: { metadata: 'string' },
  },
  domainSetMemoryStatsPeriod: {
    ...slow,
    args: { ...onDomain, seconds: 'i32', flags: 'u32' },
    result: nothing,
  },
  domainMemoryStats: { ...slow, args: { ...onDomain, flags: 'u32' }, list: { tag: 'i32', value: 'u64' } },
  domainQemuAgentCommand: {
    ...slow,
    args: { ...onDomain, command: 'string', timeoutSeconds: 'i32', flags: 'u32' },
    result: { answer: 'string' },
  },

  domainGetJobStats: {
    ...slow,
    args: { ...onDomain, flags: 'u32' },
    result: { type: 'i32', params: 'params' },
  },
  domainAbortJob: { ...slow, args: onDomain, result: nothing },
  domainGetBlockInfo: {
    ...slow,
    args: { ...onDomain, disk: 'string', flags: 'u32' },
    result: { capacity: 'u64', allocation: 'u64', physical: 'u64' },
  },
  domainGetBlockJobInfo: {
    ...slow,
    args: { ...onDomain, disk: 'string', flags: 'u32' },
    result: { present: 'i32', type: 'i32', bandwidth: 'u64', current: 'u64', end: 'u64' },
  },
  domainBlockJobAbort: { ...slow, args: { ...onDomain, disk: 'string', flags: 'u32' }, result: nothing },
  domainBlockCopy: {
    ...slow,
    args: { ...onDomain, disk: 'string', destinationXml: 'string', params: 'params', flags: 'u32' },
    result: nothing,
  },
  domainBlockRebase: {
    ...slow,
    args: { ...onDomain, disk: 'string', base: 'string?', bandwidth: 'u64', flags: 'u32' },
    result: nothing,
  },
  /** No mount points: all of them. */
  domainFSFreeze: {
    ...slow,
    args: { ...onDomain, mountpoints: 'strings', flags: 'u32' },
    result: { frozen: 'i32' },
  },
  domainFSThaw: {
    ...slow,
    args: { ...onDomain, mountpoints: 'strings', flags: 'u32' },
    result: { thawed: 'i32' },
  },

  /** What the answer means: `VIR_CPU_COMPARE_*`. */
  connectCompareHypervisorCPU: {
    ...slow,
    args: {
      emulator: 'string?',
      arch: 'string?',
      machine: 'string?',
      virtType: 'string?',
      cpuXml: 'string',
      flags: 'u32',
    },
    result: { result: 'i32' },
  },
  /** Ends when the domain has moved or stays. */
  domainMigrateToURI3: {
    ...slow,
    args: { ...onDomain, connectionUri: 'string?', params: 'params', flags: 'u32' },
    result: nothing,
  },
  domainMigrateGetMaxDowntime: {
    ...slow,
    args: { ...onDomain, flags: 'u32' },
    result: { milliseconds: 'u64' },
  },
  domainMigrateSetMaxDowntime: {
    ...slow,
    args: { ...onDomain, milliseconds: 'u64', flags: 'u32' },
    result: nothing,
  },
  domainMigrateStartPostCopy: { ...slow, args: { ...onDomain, flags: 'u32' }, result: nothing },
  /** Seconds from 1 to 60. Ends at once; the statistics VIR_DOMAIN_STATS_DIRTYRATE tell what came of it. */
  domainStartDirtyRateCalc: { ...slow, args: { ...onDomain, seconds: 'i32', flags: 'u32' }, result: nothing },
  /** No parameters: the domain went in that moment. */
  domainGetStats: {
    ...slow,
    args: { ...onDomain, stats: 'u32', flags: 'u32' },
    result: { params: 'params' },
  },
} as const satisfies Record<string, CallRow>

const ofDomain = { uuid: 'string', name: 'string' } as const

/** Every event that the binding registers for, in the order of native/events.def. */
export const events = {
  connectionClosed: { reason: 'i32' },
  lifecycle: { ...ofDomain, event: 'i32', detail: 'i32' },
  reboot: ofDomain,
  ioError: { ...ofDomain, path: 'string', device: 'string', action: 'i32', reason: 'string' },
  /** `disk` is the target's name (`vda`). */
  blockJob: { ...ofDomain, disk: 'string', type: 'i32', status: 'i32' },
  jobCompleted: { ...ofDomain, params: 'params' },
  agentLifecycle: { ...ofDomain, state: 'i32', reason: 'i32' },
} as const satisfies Record<string, Fields>

type Calls = typeof calls
export type CallName = keyof Calls
export type CallArguments<N extends CallName> = ArgumentsOf<Calls[N]['args']>
export type CallResult<N extends CallName> = Calls[N] extends { list: infer F extends Fields }
  ? RecordOf<F>[]
  : Calls[N] extends { result: infer F extends Fields }
    ? RecordOf<F>
    : never

export type EventName = keyof typeof events
export type EventRecord<N extends EventName> = RecordOf<(typeof events)[N]>

/** The table in the words in which the C library tells its own (native/table.h). */
export function tableText(): string {
  const ofCalls = Object.entries<CallRow>(calls).map(([name, row]) => {
    const result = 'list' in row ? ['list', ...words(row.list)] : words(row.result)
    return `call ${name} ${row.lane} (${words(row.args).join(' ')}) (${result.join(' ')})\n`
  })
  const ofEvents = Object.entries(events).map(
    ([name, fields]) => `event ${name} (${words(fields).join(' ')})\n`,
  )
  return [...ofCalls, ...ofEvents].join('')
}

const words = (fields: Fields): string[] => Object.entries(fields).map(([name, type]) => `${name}:${type}`)

import {
  VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED,
  VIR_DOMAIN_BLOCK_JOB_CANCELED,
  VIR_DOMAIN_BLOCK_JOB_COMPLETED,
  VIR_DOMAIN_BLOCK_JOB_READY,
} from '../../libvirt/constants.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import type { DomainEvent, LifecycleEvent } from '../hypervisor.ts'

/** libvirt's lifecycle events by number, with their details by number, and what the guest's power is after each. */
const lifecycle: { event: LifecycleEvent; details: string[]; power: PowerState }[] = [
  { event: 'defined', details: ['added', 'updated', 'renamed', 'from-snapshot'], power: powerState.NOSTATE },
  { event: 'undefined', details: ['removed', 'renamed'], power: powerState.NOSTATE },
  {
    event: 'started',
    details: ['booted', 'migrated', 'restored', 'from-snapshot', 'wakeup'],
    power: powerState.RUNNING,
  },
  {
    event: 'suspended',
    details: [
      'paused',
      'migrated',
      'ioerror',
      'watchdog',
      'restored',
      'from-snapshot',
      'api-error',
      'postcopy',
    ],
    power: powerState.PAUSED,
  },
  {
    event: 'resumed',
    details: ['unpaused', 'migrated', 'from-snapshot', 'postcopy'],
    power: powerState.RUNNING,
  },
  {
    event: 'stopped',
    details: ['shutdown', 'destroyed', 'crashed', 'migrated', 'saved', 'failed', 'from-snapshot'],
    power: powerState.SHUTDOWN,
  },
  { event: 'shutdown', details: ['finished', 'guest', 'host'], power: powerState.SHUTDOWN },
  { event: 'pmsuspended', details: ['memory', 'disk'], power: powerState.SUSPENDED },
  { event: 'crashed', details: ['panicked', 'crashloaded'], power: powerState.CRASHED },
]

/** Hands libvirt's events on in Lodge's words. Returns how to stop. */
export function subscribeToDomainEvents(
  libvirt: Libvirt,
  listener: (event: DomainEvent) => void,
): () => void {
  /** Defining and undefining leave the guest as it is, so the last known power goes with them. */
  const power = new Map<string, PowerState>()
  const stops = [
    libvirt.on('lifecycle', ({ uuid, event: number, detail }) => {
      const row = lifecycle[number]
      if (!row) return
      const changes = row.power !== powerState.NOSTATE
      if (changes) power.set(uuid, row.power)
      const now = changes ? row.power : (power.get(uuid) ?? powerState.SHUTDOWN)
      if (row.event === 'undefined') power.delete(uuid)
      listener({
        type: 'lifecycle',
        uuid,
        event: row.event,
        detail: row.details[detail] ?? String(detail),
        powerState: now,
      })
    }),
    libvirt.on('reboot', ({ uuid }) => listener({ type: 'reboot', uuid })),
    libvirt.on('ioError', ({ uuid, device, reason }) => listener({ type: 'io-error', uuid, device, reason })),
    libvirt.on('blockJob', ({ uuid, disk, status }) =>
      listener({ type: 'block-job', uuid, disk, status: blockJobStatus(status) }),
    ),
    libvirt.on('agentLifecycle', ({ uuid, state }) =>
      listener({
        type: 'agent',
        uuid,
        connected: state === VIR_CONNECT_DOMAIN_EVENT_AGENT_LIFECYCLE_STATE_CONNECTED,
      }),
    ),
  ]
  return () => stops.forEach((stop) => stop())
}

function blockJobStatus(status: number): 'completed' | 'failed' | 'canceled' | 'ready' {
  if (status === VIR_DOMAIN_BLOCK_JOB_COMPLETED) return 'completed'
  if (status === VIR_DOMAIN_BLOCK_JOB_READY) return 'ready'
  return status === VIR_DOMAIN_BLOCK_JOB_CANCELED ? 'canceled' : 'failed'
}

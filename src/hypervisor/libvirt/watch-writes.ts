import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import {
  VIR_DOMAIN_STATS_BALLOON,
  VIR_DOMAIN_STATS_BLOCK,
  VIR_DOMAIN_STATS_DIRTYRATE,
  VIR_DOMAIN_STATS_STATE,
} from '../../libvirt/constants.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'
import type { Params } from '../../libvirt/values.ts'
import type { DomainWrites } from '../hypervisor.ts'

/** virDomainDirtyRateStatus. */
const measuring = 1
const measured = 2
const pollMs = 100
/** How long after its time a measurement may still be at work: QEMU looks at the memory a second time. */
const patienceMs = 20_000

/** libvirt's counts of what a domain has written, and QEMU's samples of its memory; see `Hypervisor.watchWrites`. */
export async function watchWrites(
  libvirt: Libvirt,
  clock: Clock,
  uuid: string,
  seconds: number,
): Promise<DomainWrites> {
  const before = await statsOf(libvirt, uuid, VIR_DOMAIN_STATS_BLOCK)
  const beganAt = clock.now()
  try {
    await libvirt.call('domainStartDirtyRateCalc', { uuid, seconds })
  } catch (error) {
    // Someone else's measurement is as good.
    if (!(await isMeasuring(libvirt, uuid))) throw inOurWords(error)
  }
  await clock.sleep(seconds * 1000)
  const dirtyMiBs = await dirtyRate(libvirt, clock, uuid, seconds)
  const after = await statsOf(libvirt, uuid, VIR_DOMAIN_STATS_BLOCK | VIR_DOMAIN_STATS_BALLOON)
  const watched = (clock.now() - beganAt) / 1000
  const memoryBytes = numberOf(after, 'balloon.current') * 1024
  return {
    memoryBytes,
    residentBytes: Math.min(memoryBytes, numberOf(after, 'balloon.rss') * 1024 || memoryBytes),
    dirtyBytesPerSecond: dirtyMiBs * 2 ** 20,
    diskBytesPerSecond: Math.max(0, Math.round((writtenBytes(after) - writtenBytes(before)) / watched)),
  }
}

async function dirtyRate(libvirt: Libvirt, clock: Clock, uuid: string, seconds: number): Promise<number> {
  for (const until = clock.now() + patienceMs; ;) {
    const stats = await statsOf(libvirt, uuid, VIR_DOMAIN_STATS_DIRTYRATE)
    if (stats['dirtyrate.calc_status'] === measured) return numberOf(stats, 'dirtyrate.megabytes_per_second')
    if (clock.now() > until)
      throw new LodgeError('timeout', `QEMU has not measured within ${seconds} s what its guest writes`)
    await clock.sleep(pollMs)
  }
}

const isMeasuring = async (libvirt: Libvirt, uuid: string): Promise<boolean> =>
  (await statsOf(libvirt, uuid, VIR_DOMAIN_STATS_DIRTYRATE))['dirtyrate.calc_status'] === measuring

/** @throws LodgeError notFound when there is no such domain, conflict when it does not run */
async function statsOf(libvirt: Libvirt, uuid: string, groups: number): Promise<Params> {
  const { params } = await libvirt.call('domainGetStats', { uuid, stats: groups | VIR_DOMAIN_STATS_STATE })
  const state = params['state.state']
  if (state !== running && state !== paused)
    throw new LodgeError('conflict', 'Requested operation is not valid: domain is not running')
  return params
}

/** virDomainState. */
const running = 1
const paused = 3

/** A QEMU or libvirt before 6.x does not know the question. */
function inOurWords(error: unknown): unknown {
  const isUnknown = error instanceof LodgeError && /not supported|has not been found/i.test(error.message)
  return isUnknown
    ? new LodgeError('notImplemented', 'The hypervisor cannot measure what a guest writes to its memory', {
        cause: error,
      })
    : error
}

function writtenBytes(stats: Params): number {
  let bytes = 0
  for (let disk = 0; disk < numberOf(stats, 'block.count'); disk += 1)
    bytes += numberOf(stats, `block.${disk}.wr.bytes`)
  return bytes
}

const numberOf = (stats: Params, name: string): number => Number(stats[name] ?? 0)

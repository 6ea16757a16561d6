/** What the source finds out before a live migration. Bytes, and bytes a second. */
export interface MigrationMeasurement {
  /** Of the guest's memory what there is to send. */
  memoryBytes: number
  /** Counted once however often it was written to. */
  dirtyBytesPerSecond: number
  /** What of the disks is the server's own: they are sent unless both hosts see them. */
  diskBytes: number
  diskWriteBytesPerSecond: number
  /** The source's setting; null: none. */
  limitBytesPerSecond: number | null
  limits: MigrationLimits
}

/** How a live migration went. */
export interface MigrationOutcome {
  totalMs: number
  /** Null where the hypervisor does not say; so is the next but two. */
  downtimeMs: number | null
  memoryBytes: number
  diskBytes: number
  /** While memory was sent. */
  bytesPerSecond: number | null
}

/** What is known before a live migration. Bytes, and bytes a second. */
export interface ForecastInput {
  memoryBytes: number
  dirtyBytesPerSecond: number
  /** To be sent; 0: both hosts see the same disks. */
  diskBytes: number
  diskWriteBytesPerSecond: number
  bandwidth: Bandwidth
  limits: MigrationLimits
}

/** How fast can be sent, and how that is known. */
export interface Bandwidth {
  bytesPerSecond: number
  /** The setting that bounds it; what earlier migrations between the hosts did; the setting for where there is none. */
  source: 'limit' | 'measured' | 'assumed'
}

/** What the source's settings allow a migration to do to a guest. */
export interface MigrationLimits {
  maxDowntimeMs: number
  autoConverge: boolean
  postCopy: boolean
  /** When `timeoutAction` is taken; null: never. */
  timeoutMs: number | null
  timeoutAction: 'abort' | 'force-complete'
}

/** What ends a migration that does not converge by itself. */
export type MigrationAid =
  /** The guest's processors are slowed down. */
  | 'auto-converge'
  /** The guest runs on at the destination before all of it is there. */
  | 'post-copy'
  /** The guest stands still until the rest is sent. */
  | 'halt'

export interface MigrationForecast {
  /** It ends by itself, with an aid, or not. */
  verdict: 'converges' | 'aided' | 'never'
  aid: MigrationAid | null
  /** Of the whole, and of the guest's halt; null: there is no end to be seen. */
  totalMs: number | null
  downtimeMs: number | null
  /** How much of its processors auto-converge would take from the guest. */
  throttlePercent: number | null
  /** One sentence. */
  reason: string
}

/** A forecast with what it is made of; it is kept with the migration. */
export interface KeptForecast extends MigrationForecast {
  input: ForecastInput
}

/** What may be known of the way between two hosts. */
export interface KnownWay {
  /** Disks stay where they are. */
  sharedStorage: boolean
  /** What earlier migrations have reached; null: there were none. */
  measuredBytesPerSecond: number | null
  /** What is to be taken for it then. */
  assumedBytesPerSecond: number
}

export function forecastOf(measurement: MigrationMeasurement, way: KnownWay): KeptForecast {
  const { memoryBytes, dirtyBytesPerSecond, diskWriteBytesPerSecond, limits } = measurement
  const input: ForecastInput = {
    memoryBytes,
    dirtyBytesPerSecond,
    diskBytes: way.sharedStorage ? 0 : measurement.diskBytes,
    diskWriteBytesPerSecond,
    bandwidth: bandwidthOf(measurement.limitBytesPerSecond, way),
    limits,
  }
  return { ...forecastMigration(input), input }
}

/** A limit holds unless it is known that not so much goes. */
function bandwidthOf(
  limit: number | null,
  { measuredBytesPerSecond: measured, ...way }: KnownWay,
): Bandwidth {
  if (measured !== null && (limit === null || measured < limit))
    return { bytesPerSecond: measured, source: 'measured' }
  if (limit !== null) return { bytesPerSecond: limit, source: 'limit' }
  return { bytesPerSecond: way.assumedBytesPerSecond, source: 'assumed' }
}

/**
 * What a live migration would do. Disks are sent first, then memory in rounds, each of which sends what the guest has
 * written during the one before, until the rest can be sent in a halt that is short enough; what the guest writes to its
 * disks in the meantime takes its share of the bandwidth.
 */
export function forecastMigration(input: ForecastInput): MigrationForecast {
  const { bandwidth, limits, diskBytes } = input
  const besideWrites = bandwidth.bytesPerSecond - (diskBytes > 0 ? input.diskWriteBytesPerSecond : 0)
  if (besideWrites <= 0)
    return never(
      `The guest writes ${inMiB(input.diskWriteBytesPerSecond)} to its disks, and ${inMiB(bandwidth.bytesPerSecond)} can be sent.`,
    )
  const diskMs = (diskBytes / besideWrites) * 1000
  // A limit is each one's own; the rest is what all share.
  const speed = bandwidth.source === 'limit' ? bandwidth.bytesPerSecond : besideWrites
  const byItself = memoryRounds(input, speed, input.dirtyBytesPerSecond)
  if (byItself) {
    const whole = { ...byItself, totalMs: byItself.totalMs + diskMs }
    if (!isTooLong(limits, whole.totalMs)) return outcome('converges', null, whole)
    return afterTimeout(input, speed, diskMs, `It would take ${inSeconds(whole.totalMs)}`)
  }
  const why = `The guest writes ${inMiB(input.dirtyBytesPerSecond)} to its memory, and ${inMiB(speed)} can be sent`
  if (limits.autoConverge && !limits.postCopy) {
    const slowed = throttled(input, speed)
    if (slowed && !isTooLong(limits, slowed.totalMs + diskMs))
      return {
        ...outcome('aided', 'auto-converge', { ...slowed, totalMs: slowed.totalMs + diskMs }),
        throttlePercent: slowed.throttlePercent,
        reason: `${why}: its processors would be slowed down by ${slowed.throttlePercent} %.`,
      }
    return afterTimeout(input, speed, diskMs, `${why}, also when its processors are slowed down`)
  }
  return afterTimeout(input, speed, diskMs, why)
}

/** What a halt takes beside sending what is left: the state of the devices, and the change of hosts. */
const handOverMs = 100
/** QEMU's steps of slowing down: the first, the next ones and the last. */
const throttle = { first: 20, step: 10, last: 99 }
/** Rounds that a guest must have outrun before it is slowed down further. */
const roundsPerStep = 2
/** More rounds than any migration has: a rate this close to the bandwidth is no convergence. */
const mostRounds = 1000

interface Rounds {
  totalMs: number
  downtimeMs: number
}

/** Undefined when the rest never gets small enough. */
function memoryRounds(
  { memoryBytes, limits }: ForecastInput,
  speed: number,
  dirtyBytesPerSecond: number,
): Rounds | undefined {
  let left = memoryBytes
  let seconds = 0
  for (let round = 0; round < mostRounds; round += 1) {
    // All is sent once while the guest runs, however little it is.
    const isShort = round > 0 && (left / speed) * 1000 <= limits.maxDowntimeMs
    if (isShort) {
      const downtimeMs = (left / speed) * 1000 + handOverMs
      return { totalMs: seconds * 1000 + downtimeMs, downtimeMs }
    }
    seconds += left / speed
    left = Math.min(memoryBytes, dirtyBytesPerSecond * (left / speed))
  }
  return undefined
}

/** With the least slowing down that lets it converge, after the rounds that it takes to get there. */
function throttled(input: ForecastInput, speed: number): (Rounds & { throttlePercent: number }) | undefined {
  const roundMs = (input.memoryBytes / speed) * 1000
  let percent = throttle.first
  for (let steps = 1; ; steps += 1) {
    const rounds = memoryRounds(input, speed, input.dirtyBytesPerSecond * (1 - percent / 100))
    if (rounds)
      return {
        throttlePercent: percent,
        downtimeMs: rounds.downtimeMs,
        totalMs: rounds.totalMs + steps * roundsPerStep * roundMs,
      }
    if (percent === throttle.last) return undefined
    percent = Math.min(throttle.last, percent + throttle.step)
  }
}

/** It does not come to an end in time. What the settings do then may end it all the same. */
function afterTimeout(
  { limits, memoryBytes }: ForecastInput,
  speed: number,
  diskMs: number,
  why: string,
): MigrationForecast {
  const { timeoutMs, timeoutAction, postCopy } = limits
  const sendMs = (memoryBytes / speed) * 1000
  const isForced = timeoutMs !== null && timeoutAction === 'force-complete'
  // Someone may ask for it at any time; the disks must be there before.
  const forcedAtMs = Math.max(diskMs + sendMs, isForced ? timeoutMs : 0)
  if (postCopy && (isForced || timeoutMs === null || forcedAtMs <= timeoutMs))
    return {
      ...outcome('aided', 'post-copy', { totalMs: forcedAtMs + sendMs, downtimeMs: handOverMs }),
      reason: isForced
        ? `${why}: after ${inSeconds(forcedAtMs)} it would run on at the destination before all of it is there.`
        : `${why}: it must be forced to its end, and runs on at the destination before all of it is there.`,
    }
  if (isForced) {
    const downtimeMs = sendMs + handOverMs
    return {
      ...outcome('aided', 'halt', { totalMs: forcedAtMs + downtimeMs, downtimeMs }),
      reason: `${why}: after ${inSeconds(forcedAtMs)} it would stand still for ${inSeconds(downtimeMs)}.`,
    }
  }
  return never(timeoutMs === null ? `${why}.` : `${why}; after ${inSeconds(timeoutMs)} it would be aborted.`)
}

const isTooLong = ({ timeoutMs }: MigrationLimits, totalMs: number): boolean =>
  timeoutMs !== null && totalMs > timeoutMs

function outcome(
  verdict: 'converges' | 'aided',
  aid: MigrationAid | null,
  rounds: Rounds,
): MigrationForecast {
  const { totalMs, downtimeMs } = rounds
  return {
    verdict,
    aid,
    totalMs: Math.round(totalMs),
    downtimeMs: Math.round(downtimeMs),
    throttlePercent: null,
    reason: 'What is sent gets ahead of what the guest writes.',
  }
}

const never = (reason: string): MigrationForecast => ({
  verdict: 'never',
  aid: null,
  totalMs: null,
  downtimeMs: null,
  throttlePercent: null,
  reason,
})

const inMiB = (bytesPerSecond: number): string => `${(bytesPerSecond / 2 ** 20).toFixed(1)} MiB/s`

const inSeconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`

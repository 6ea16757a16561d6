import { XMLBuilder } from 'fast-xml-parser'
import type { Clock } from '../../base/clock.ts'
import { LodgeError } from '../../base/errors.ts'
import {
  VIR_DOMAIN_BLOCK_COPY_SHALLOW,
  VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB,
  VIR_DOMAIN_BLOCK_JOB_FAILED,
  VIR_DOMAIN_BLOCK_JOB_READY,
  VIR_DOMAIN_BLOCK_JOB_TYPE_COPY,
} from '../../libvirt/constants.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'

export interface DiskCopy {
  uuid: string
  /** The disk's target, such as `vda`. */
  disk: string
  target: string
  format: 'qcow2' | 'raw'
  shallow: boolean
  atReady?: () => Promise<void>
  signal?: AbortSignal
}

/** How often the job is asked for besides its events, which a reconnect may swallow, ms. */
const askEveryMs = 1000

/**
 * Mirrors the disk of a running domain into a new file until both are the same, calls `atReady`, and ends the mirror
 * there: the file holds the disk at that moment, and the guest goes on writing to its own. One copy of a disk at a
 * time: an earlier one that was cut off is ended first.
 * @throws LodgeError internal when the copy fails, the signal's reason when it is aborted before the copy is ready; the
 * target may then be there in part
 */
export async function copyDisk(libvirt: Libvirt, clock: Clock, copy: DiskCopy): Promise<void> {
  const { uuid, disk, signal } = copy
  const flags = VIR_DOMAIN_BLOCK_COPY_TRANSIENT_JOB | (copy.shallow ? VIR_DOMAIN_BLOCK_COPY_SHALLOW : 0)
  await endCopyCutOff(libvirt, uuid, disk)
  signal?.throwIfAborted()
  const mirror = watchMirror(libvirt, uuid, disk)
  try {
    await libvirt.call('domainBlockCopy', {
      uuid,
      disk,
      destinationXml: destination(copy),
      params: [],
      flags,
    })
    try {
      await mirror.untilReady(clock, signal)
      await copy.atReady?.()
    } finally {
      await endCopy(libvirt, uuid, disk)
    }
  } finally {
    mirror.stop()
  }
}

/** Without a connection the mirror goes on, into a file that nobody wants any more, until there is one again. */
async function endCopy(libvirt: Libvirt, uuid: string, disk: string): Promise<void> {
  try {
    await libvirt.call('domainBlockJobAbort', { uuid, disk })
  } catch (error) {
    if (error instanceof LodgeError && error.kind === 'unavailable') {
      const unlisten = libvirt.on('connected', () => {
        unlisten()
        endCopyCutOff(libvirt, uuid, disk).catch(() => undefined)
      })
    }
    throw error
  }
}

/** A mirror whose agent or libvirtd ended goes on in QEMU for ever, and libvirt allows only one. */
async function endCopyCutOff(libvirt: Libvirt, uuid: string, disk: string): Promise<void> {
  const { present, type } = await libvirt.call('domainGetBlockJobInfo', { uuid, disk })
  if (present === 1 && type === VIR_DOMAIN_BLOCK_JOB_TYPE_COPY)
    await libvirt.call('domainBlockJobAbort', { uuid, disk })
}

const builder = new XMLBuilder({ ignoreAttributes: false, attributeNamePrefix: '@' })

function destination({ target, format }: DiskCopy): string {
  return builder.build({
    disk: { '@type': 'file', driver: { '@type': format }, source: { '@file': target } },
  })
}

/** Listens from before the job is begun, so that no event is missed. */
function watchMirror(libvirt: Libvirt, uuid: string, disk: string) {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const over = new AbortController()
  const fail = (): void => reject(new LodgeError('internal', `Copying disk ${disk} of domain ${uuid} failed`))
  const unlisten = libvirt.on('blockJob', (event) => {
    if (event.uuid !== uuid || event.disk !== disk) return
    if (event.status === VIR_DOMAIN_BLOCK_JOB_READY) resolve()
    if (event.status === VIR_DOMAIN_BLOCK_JOB_FAILED) fail()
  })
  promise.catch(() => undefined)

  const ask = async (clock: Clock): Promise<void> => {
    for (;;) {
      await clock.sleep(askEveryMs, over.signal)
      const { present, current, end } = await libvirt.call('domainGetBlockJobInfo', { uuid, disk })
      if (present === 0) return fail()
      if (end > 0 && current === end) return resolve()
    }
  }
  return {
    /** Resolves when the copy has caught up with the disk. */
    untilReady: (clock: Clock, signal: AbortSignal | undefined): Promise<void> => {
      const giveUp = (): void => reject(signal?.reason)
      if (signal?.aborted) giveUp()
      signal?.addEventListener('abort', giveUp, { signal: over.signal })
      ask(clock).catch((error: unknown) => {
        if (!over.signal.aborted) reject(error)
      })
      return promise
    },
    stop: () => {
      unlisten()
      over.abort()
    },
  }
}

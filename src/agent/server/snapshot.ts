import { mkdir, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import { LodgeError, messageOf } from '../../base/errors.ts'
import type { Command } from '../../contract/command.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import { isActive } from '../domain-watch.ts'
import { isKind, needDisks } from './domain-power.ts'
import type { VerbContext, VerbRun } from './verb.ts'

/** Copies the root disk, under a guest that runs on if there is one, and makes the copy the image's data. */
export const snapshot: VerbRun<'snapshot'> = async (context, command, signal) => {
  const { serverId, params } = command
  const target = context.disks.stagingPath(`snapshot-${serverId}`)
  await mkdir(dirname(target), { recursive: true, mode: 0o700 })
  // Of a run that was cut off.
  await rm(target, { force: true })
  await context.disks.assertSpareRoom()
  try {
    const state = await whileThereIsRoom(context, signal, (either) =>
      copyRoot(context, command, target, either),
    )
    const { sizeBytes } = await context.images.store(params.imageId, target)
    return { result: { powerState: state, sizeBytes } }
  } finally {
    await rm(target, { force: true })
    context.log.debug({ server: serverId, image: params.imageId }, 'snapshot staging removed')
  }
}

/**
 * Does `work` under a signal that is aborted with `signal`, and when the file system of the copy is about to be full.
 * @throws what aborted it, else what `work` throws
 */
async function whileThereIsRoom<T>(
  { disks, clock }: VerbContext,
  signal: AbortSignal,
  work: (either: AbortSignal) => Promise<T>,
): Promise<T> {
  const [over, full] = [new AbortController(), new AbortController()]
  const either = AbortSignal.any([signal, full.signal])
  const watch = async (): Promise<void> => {
    for (;;) {
      await clock.sleep(lookAtRoomMs, over.signal)
      await disks.assertSpareRoom()
    }
  }
  watch().catch((error: unknown) => {
    if (!over.signal.aborted) full.abort(error)
  })
  try {
    const result = await work(either)
    either.throwIfAborted()
    return result
  } catch (error) {
    // What was cut short may say so in its own way.
    either.throwIfAborted()
    throw error
  } finally {
    over.abort()
  }
}

const lookAtRoomMs = 1_000

async function copyRoot(
  context: VerbContext,
  command: Command<'snapshot'>,
  target: string,
  signal: AbortSignal,
): Promise<PowerState> {
  const { serverId, params } = command
  if (await copyLive(context, command, target, signal)) return stateOf(context, serverId)
  await rm(target, { force: true })
  await context.disks.exportRoot(serverId, target, params.diskFormat, { signal })
  return powerState.SHUTDOWN
}

/** @returns false when there is no guest to copy under, or it went off meanwhile: then the disk is idle */
async function copyLive(
  context: VerbContext,
  { serverId, params }: Command<'snapshot'>,
  target: string,
  signal: AbortSignal,
): Promise<boolean> {
  if (!isActive(await stateOf(context, serverId))) return false
  const root = (await needDisks(context, serverId)).disks[0]!
  const options = { format: params.diskFormat, shallow: false, signal }
  let tried = false
  const atReady = async (): Promise<void> => {
    tried = true
    await freeze(context, serverId)
  }
  try {
    await context.hypervisor.copyDisk(serverId, root.target, target, { ...options, atReady })
    return true
  } catch (error) {
    if (isActive(await stateOf(context, serverId))) throw error
    return false
  } finally {
    // Also where it was not frozen now: a run that was cut off may have left it so.
    if (tried) await thaw(context, serverId)
  }
}

/**
 * Brings the guest's file systems to rest where a guest agent can. Without one the copy is what the disk would be
 * after a power failure, which an image may refuse with the property os_require_quiesce.
 */
async function freeze(context: VerbContext, serverId: string): Promise<void> {
  const { hypervisor, log } = context
  try {
    await hypervisor.freeze(serverId)
  } catch (error) {
    if (context.recordedSpec(serverId)?.image.properties.os_require_quiesce === 'yes')
      throw new LodgeError(
        'conflict',
        'The image demands a quiesced guest, and the guest agent did not do it',
        {
          cause: error,
        },
      )
    if (!isKind(error, 'conflict'))
      log.warn({ server: serverId, reason: messageOf(error) }, 'guest not frozen')
  }
}

async function thaw({ hypervisor, log }: VerbContext, serverId: string): Promise<void> {
  try {
    await hypervisor.thaw(serverId)
  } catch (error) {
    if (!isKind(error, 'conflict'))
      log.error({ server: serverId, reason: messageOf(error) }, 'guest not thawed after a snapshot')
  }
}

async function stateOf({ hypervisor }: VerbContext, serverId: string): Promise<PowerState> {
  return (await hypervisor.findDomain(serverId))?.powerState ?? powerState.SHUTDOWN
}

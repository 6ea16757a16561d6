import { LodgeError } from '../../base/errors.ts'
import {
  migrationAborted,
  type CommandTable,
  type Fault,
  type MigrationNeeds,
  type MigrationProbe,
  type MigrationTarget,
} from '../../contract/command.ts'
import type { ActionParams } from '../../model/action.ts'
import { openMigrationStatuses, type MigrationStatus } from '../../model/migration.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'
import { release } from '../../store/allocations.ts'
import { getMigration, updateMigration } from '../../store/server-migrations.ts'
import { getServer } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { faultOf, hostDownFault } from '../faults.ts'
import { enterWith, settle } from '../server-change.ts'
import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, Change, Entered, Step } from '../step.ts'
import { claimDestination } from './claim-destination.ts'
import { forecastSteps, isRefusedByForecast, withOutcome } from './forecast-migration.ts'
import { recordMigration } from './migration-record.ts'

/**
 * A guest moves to another host while it lives on:
 *
 *   place ─▶ check both ─▶ prepare ─▶ migrate ─▶ finish destination ─▶ finish source
 *
 * The destination's resources are claimed before anything else. Until the guest has gone everything can be undone; what
 * fails before it begins to move is tried with the next host.
 *
 * Where the guest is after a failure is asked of the source first. If it has gone from there, the server is at the
 * destination, whatever may be the matter with that. If it is there, it is decided by the destination, where it may run
 * all the same: then the source's was halted when it came back, is removed when the destination says that it runs there,
 * and runs on when it says that it does not. Nobody guesses: the destination's word is waited for. A source that is
 * silent has lost its guest to a destination where it runs; else the server stays there.
 */
export const liveMigrationAction: ActionDefinition = {
  name: 'live-migration',
  tasks: ['migrating'],
  get steps() {
    return steps
  },
  again: (scene, fault) =>
    paramsOf(scene).host === null &&
    scene.action.step < steps.indexOf(migrate) &&
    scene.action.progress['arrived'] !== true &&
    fault.message !== migrationAborted &&
    !isRefusedByForecast(fault),
  // The server stays as it was, wherever it is.
  failed: () => ({ progress: 0 }),
  abandoned: async (trx, scene) => {
    await setStatus(trx, scene, 'cancelled', openMigrationStatuses)
    // A delete looks by the allocations where it has to clean up.
    const { dest, arrived } = scene.action.progress
    const server = await getServer(trx, scene.server.id)
    if (typeof dest === 'string' && arrived !== true && server && server.taskState !== 'deleting')
      await giveBack(trx, scene, dest)
  },
}

/** Takes a destination, and begins the record of the migration. */
const place: Step = {
  name: 'place',
  event: 'conductor_live_migrate_instance',
  enter: async (trx, scene) => {
    const entered = await enterWith(trx, scene, {})
    return entered.kind === 'ok' ? takeDestination(trx, scene) : entered
  },
  undo: {
    write: async (trx, scene) => {
      const { dest, arrived } = scene.action.progress
      if (arrived !== true) await giveBack(trx, scene, String(dest))
      const tried = [...triedHosts(scene), String(dest)]
      if (arrived === true) await setStatus(trx, scene, 'completed', arrivedFrom)
      else await setStatus(trx, scene, statusOfFailure(scene), openMigrationStatuses)
      return { progress: { tried } }
    },
  },
}

const checkDestination: Step = {
  name: 'check-destination',
  event: 'compute_check_can_live_migrate_destination',
  eventHost: (scene) => destOf(scene),
  command: async (scene) => ({
    host: destOf(scene),
    verb: 'migrateCheckDestination',
    params: { migrationId: await needMigration(scene), spec: await specOf(scene) },
  }),
  leave: async (_trx, _scene, result) => ({ progress: { probe: result as MigrationProbe } }),
  undo: {
    // Later the undo of the preparation does it.
    command: async (scene) =>
      scene.action.step < steps.indexOf(prepare)
        ? { host: destOf(scene), verb: 'migrateAbort', params: { migrationId: migrationIdOf(scene) } }
        : null,
  },
}

const checkSource: Step = {
  name: 'check-source',
  event: 'compute_check_can_live_migrate_source',
  undo: {
    command: async (scene, undone) => {
      const source = String(scene.action.progress['source'])
      const atSource = guestOf(undone, 'migrate')
      const atDest = guestOf(undone, 'prepare')
      if (atSource === undefined) return null
      if (atSource === null || (atDest ?? null) !== null)
        return {
          host: source,
          verb: 'migrateFinishSource',
          params: {
            migrationId: migrationIdOf(scene),
            sharedStorage: needsOf(scene).sharedStorage,
            to: destOf(scene),
          },
        }
      // A destination that was said to be off has no word.
      const isElsewhere = atDest === undefined && !scene.context.hosts.isForcedDown(destOf(scene))
      return isHalted(scene, atSource) && !isElsewhere ? { host: source, verb: 'unpause', params: {} } : null
    },
  },
  command: async (scene) => ({
    host: hostOf(scene),
    verb: 'migrateCheckSource',
    params: { migrationId: migrationIdOf(scene), ...(scene.action.progress['probe'] as MigrationProbe) },
  }),
  leave: async (_trx, _scene, result) => ({ progress: { needs: result as MigrationNeeds } }),
}

const prepare: Step = {
  name: 'prepare',
  event: 'compute_pre_live_migration',
  eventHost: (scene) => destOf(scene),
  enter: async (trx, scene) => {
    await setStatus(trx, scene, 'preparing', ['queued'])
    return { kind: 'ok' }
  },
  command: async (scene) => {
    checkKind(scene)
    return {
      host: destOf(scene),
      verb: 'migratePrepareDestination',
      params: { migrationId: await needMigration(scene), spec: await specOf(scene), ...needsOf(scene) },
    }
  },
  leave: async (_trx, _scene, result) => ({ progress: { target: result as MigrationTarget } }),
  undo: {
    command: async (scene, undone) => {
      const atSource = guestOf(undone, 'migrate')
      if (atSource === null) return null
      return {
        host: destOf(scene),
        verb: 'migrateRollbackDestination',
        params: {
          migrationId: migrationIdOf(scene),
          sharedStorage: needsOf(scene).sharedStorage,
          spec: await specOf(scene),
          atSource: atSource !== undefined,
        },
      }
    },
    waitsForHost: (scene, undone) => isHalted(scene, guestOf(undone, 'migrate')),
    write: async (trx, scene, result) => {
      if (scene.action.progress['atSource'] === null) return arrive(trx, scene)
      const { guest } = (result as { guest: PowerState | null } | undefined) ?? {}
      if (typeof guest === 'number') return arrive(trx, scene, guest)
      return { progress: { removedAtDest: guest === null } }
    },
  },
}

const migrate: Step = {
  name: 'migrate',
  event: 'compute_live_migration',
  // Until the source says that its turn has come: so many leave a host at once.
  enter: async (trx, scene) => {
    await setStatus(trx, scene, 'queued', ['preparing'])
    return { kind: 'ok' }
  },
  command: async (scene) => ({
    host: hostOf(scene),
    verb: 'migrateLive',
    params: {
      migrationId: await needMigration(scene),
      target: scene.action.progress['target'] as MigrationTarget,
      sharedStorage: needsOf(scene).sharedStorage,
    },
  }),
  // Whether the guest has got away from it, the destination knows.
  hostDown: 'skip',
  leave: async (trx, scene, result) => {
    await setStatus(trx, scene, 'post-migrating', ['queued', 'running', 'running (post-copy)'])
    return result === undefined ? {} : arrive(trx, scene)
  },
  undo: {
    command: async (scene) => ({
      host: hostOf(scene),
      verb: 'migrateAbort',
      params: { migrationId: migrationIdOf(scene) },
    }),
    write: async (_trx, _scene, result) => ({
      progress: { atSource: (result as AtSource | undefined)?.guest },
    }),
  },
}

const finishDestination: Step = {
  name: 'finish-destination',
  event: 'compute_post_live_migration_at_destination',
  eventHost: (scene) => destOf(scene),
  command: async (scene) => ({
    host: destOf(scene),
    verb: 'migrateFinishDestination',
    params: {
      migrationId: migrationIdOf(scene),
      spec: await specOf(scene),
      wanted: scene.server.vmState === 'paused' ? 'paused' : 'running',
    },
  }),
  // The guest has left the source: there is no way back, and what became of it shows when the host is heard again.
  hostDown: hasArrived,
  faults: hasArrived,
  leave: async (trx, scene, result) => {
    if (result === undefined) return {}
    const { powerState, went } = result as CommandTable['migrateFinishDestination']['result']
    return withOutcome(await arrive(trx, scene, powerState), { went })
  },
}

/** What stays behind is no reason to undo: the source's census finds it. */
const finishSource: Step = {
  name: 'finish-source',
  event: null,
  command: async (scene) => ({
    host: String(scene.action.progress['source']),
    verb: 'migrateFinishSource',
    params: {
      migrationId: migrationIdOf(scene),
      sharedStorage: needsOf(scene).sharedStorage,
      to: destOf(scene),
    },
  }),
  hostDown: 'skip',
  faults: 'skip',
  leave: async (trx, scene) => {
    await setStatus(trx, scene, 'completed', arrivedFrom)
    return settle(trx, scene, { taskState: null, progress: 0 })
  },
}

const steps: readonly Step[] = [
  place,
  checkDestination,
  checkSource,
  ...forecastSteps,
  prepare,
  migrate,
  finishDestination,
  finishSource,
]

async function takeDestination(trx: Db, scene: ActionScene): Promise<Entered> {
  const { context } = scene
  const source = hostOf(scene)
  const { host, force } = paramsOf(scene)
  if (context.hosts.isDown(source)) return refuse(trx, scene, hostDownFault(source))
  if (host === source)
    return refuse(
      trx,
      scene,
      faultOf(`Unable to migrate instance (${scene.server.id}) to current host (${source}).`, {
        kind: 'badRequest',
        code: 400,
      }),
    )
  const taken = await claimDestination(trx, scene, {
    forcedHost: force ? host : null,
    requestedHost: force ? null : host,
    excluded: [source, ...triedHosts(scene)],
  })
  if (taken === 'wait') return { kind: 'wait' }
  if ('fault' in taken) return refuse(trx, scene, taken.fault)
  const migrationId = await openRecord(trx, scene, 'queued', taken.host)
  return { kind: 'ok', progress: { migrationId, source, dest: taken.host } }
}

async function refuse(trx: Db, scene: ActionScene, fault: Fault): Promise<Entered> {
  await openRecord(trx, scene, 'error', null)
  return { kind: 'failed', fault }
}

/** The record of the migration: a new one, or that of the host that was tried before. */
async function openRecord(
  trx: Db,
  scene: ActionScene,
  status: MigrationStatus,
  destHost: string | null,
): Promise<string> {
  const { action, server, context } = scene
  const now = context.clock.now()
  const known = action.progress['migrationId']
  if (typeof known === 'string') {
    await updateMigration(trx, known, { status, ...(destHost === null ? {} : { destHost }) }, now)
    return known
  }
  return recordMigration(trx, scene, { type: 'live-migration', status, sourceHost: server.host, destHost })
}

/**
 * The guest is at the destination: the server is there from now on, and the source is free of it.
 * @param powerState absent while the destination has not said how the guest is
 */
async function arrive(trx: Db, scene: ActionScene, powerState?: PowerState): Promise<Change> {
  await giveBack(trx, scene, String(scene.action.progress['source']))
  const seen = powerState === undefined ? {} : { powerState }
  const change = await settle(trx, scene, {}, { host: destOf(scene), ...seen })
  return { server: change.server, progress: { arrived: true } }
}

async function giveBack(trx: Db, { context, server }: ActionScene, from: string): Promise<void> {
  for (const { host, resources } of await release(trx, server.id, from))
    context.hosts.take(host, resources, -1)
}

/** @throws LodgeError conflict when the user has asked for the opposite of what the storage allows */
function checkKind(scene: ActionScene): void {
  const { blockMigration } = paramsOf(scene)
  const { sharedStorage } = needsOf(scene)
  if (blockMigration === true && sharedStorage)
    throw new LodgeError(
      'conflict',
      `Host ${destOf(scene)} is on shared storage with the source: block migration can not be used with shared storage.`,
    )
  if (blockMigration === false && !sharedStorage)
    throw new LodgeError(
      'conflict',
      `Host ${destOf(scene)} is not on shared storage with the source: live migration can not be used without ` +
        'shared storage except with block migration.',
    )
}

/** The record's id. @throws LodgeError conflict when the migration has been aborted before it ran */
async function needMigration(scene: ActionScene): Promise<string> {
  const id = migrationIdOf(scene)
  const migration = await getMigration(scene.context.store.db, { id })
  if (migration?.status === 'cancelled') throw new LodgeError('conflict', migrationAborted)
  return id
}

/** An abort that came too late is none. */
const arrivedFrom: readonly MigrationStatus[] = [...openMigrationStatuses, 'cancelled']

async function setStatus(
  trx: Db,
  scene: ActionScene,
  status: MigrationStatus,
  from: readonly MigrationStatus[],
): Promise<void> {
  const id = scene.action.progress['migrationId']
  if (typeof id === 'string') await updateMigration(trx, id, { status }, scene.context.clock.now(), from)
}

/** Before the guest began to move Nova calls it an error, afterwards a failure. */
function statusOfFailure({ action }: ActionScene): MigrationStatus {
  if ((action.progress['fault'] as Fault | undefined)?.message === migrationAborted) return 'cancelled'
  return action.step < steps.indexOf(migrate) ? 'error' : 'failed'
}

const paramsOf = (scene: ActionScene): ActionParams['live-migration'] =>
  scene.action.params as ActionParams['live-migration']

function hasArrived({ action }: ActionScene): boolean {
  return action.progress['arrived'] === true
}

type AtSource = CommandTable['migrateAbort']['result']

/** What a host said of the guest when its step was undone; null: it has none; undefined: it said nothing. */
const guestOf = (
  undone: ReadonlyMap<string, unknown>,
  step: 'migrate' | 'prepare',
): PowerState | null | undefined => (undone.get(step) as AtSource | undefined)?.guest

/** The source's guest was halted because it may run at the destination. */
const isHalted = ({ server }: ActionScene, guest: PowerState | null | undefined): boolean =>
  guest === powerState.PAUSED && server.vmState === 'active'

const destOf = (scene: ActionScene): string => String(scene.action.progress['dest'])

const migrationIdOf = (scene: ActionScene): string => String(scene.action.progress['migrationId'])

const needsOf = (scene: ActionScene): MigrationNeeds => scene.action.progress['needs'] as MigrationNeeds

const triedHosts = (scene: ActionScene): string[] =>
  (scene.action.progress['tried'] as string[] | undefined) ?? []

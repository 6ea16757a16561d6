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
import type { PowerState } from '../../model/server-state.ts'
import { release } from '../../store/allocations.ts'
import { getMigration, insertMigration, updateMigration } from '../../store/server-migrations.ts'
import { getServer } from '../../store/servers.ts'
import type { Db } from '../../store/store.ts'
import { faultOf, hostDownFault } from '../faults.ts'
import { enterWith, settle } from '../server-change.ts'
import { hostOf, specOf } from '../spec-of.ts'
import type { ActionDefinition, ActionScene, Change, Entered, Step } from '../step.ts'
import { claimDestination } from './claim-destination.ts'
import { forecastSteps, isRefusedByForecast, withOutcome } from './forecast-migration.ts'

/**
 * A guest moves to another host while it lives on:
 *
 *   place ─▶ check both ─▶ prepare ─▶ migrate ─▶ finish destination ─▶ finish source
 *
 * The destination's resources are claimed before anything else and the source's are given back once the guest runs at
 * the destination, which alone decides where it is. Until then everything can be undone; what fails before the guest
 * begins to move is tried with the next host.
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
}

const checkSource: Step = {
  name: 'check-source',
  event: 'compute_check_can_live_migrate_source',
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
    command: async (scene) => ({
      host: destOf(scene),
      verb: 'migrateRollbackDestination',
      params: {
        migrationId: migrationIdOf(scene),
        sharedStorage: needsOf(scene).sharedStorage,
        spec: await specOf(scene),
      },
    }),
    write: async (trx, scene, result) => {
      const guest = (result as { guest: PowerState | null } | undefined)?.guest ?? null
      return guest === null ? {} : arrive(trx, scene, guest)
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
  leave: async (trx, scene) => {
    await setStatus(trx, scene, 'post-migrating', ['queued', 'running', 'running (post-copy)'])
    return {}
  },
  undo: {
    command: async (scene) => ({
      host: hostOf(scene),
      verb: 'migrateAbort',
      params: { migrationId: migrationIdOf(scene) },
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
  leave: async (trx, scene, result) => {
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
    params: { migrationId: migrationIdOf(scene), sharedStorage: needsOf(scene).sharedStorage },
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
  const migration = await insertMigration(
    trx,
    {
      serverId: server.id,
      requestId: action.requestId,
      projectId: action.projectId,
      userId: action.userId,
      type: 'live-migration',
      status,
      sourceHost: server.host,
      destHost,
      oldFlavorId: server.flavor.id,
      newFlavorId: server.flavor.id,
    },
    now,
  )
  return migration.id
}

/** The guest runs at the destination: the server is there from now on, and the source is free of it. */
async function arrive(trx: Db, scene: ActionScene, powerState: PowerState): Promise<Change> {
  await giveBack(trx, scene, String(scene.action.progress['source']))
  const change = await settle(trx, scene, {}, { host: destOf(scene), powerState })
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

const destOf = (scene: ActionScene): string => String(scene.action.progress['dest'])

const migrationIdOf = (scene: ActionScene): string => String(scene.action.progress['migrationId'])

const needsOf = (scene: ActionScene): MigrationNeeds => scene.action.progress['needs'] as MigrationNeeds

const triedHosts = (scene: ActionScene): string[] =>
  (scene.action.progress['tried'] as string[] | undefined) ?? []

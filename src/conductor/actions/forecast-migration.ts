import { LodgeError } from '../../base/errors.ts'
import type { Fault, MigrationNeeds } from '../../contract/command.ts'
import type { ActionParams } from '../../model/action.ts'
import {
  forecastOf,
  type KeptForecast,
  type MigrationMeasurement,
  type MigrationOutcome,
} from '../../model/migration-forecast.ts'
import { measuredBandwidth } from '../../store/migration-bandwidth.ts'
import type { Db } from '../../store/store.ts'
import { hostOf } from '../spec-of.ts'
import type { ActionScene, Change, Entered, Step } from '../step.ts'

/**
 * What comes between the checks of a live migration and its preparation, where the setting asks for it: the guest is
 * watched, what would become of the migration is written down, and one without an end in sight is refused unless
 * whoever asked for it has confirmed it. A host that cannot measure holds nothing up.
 */
export const forecastSteps: readonly Step[] = [
  {
    name: 'measure',
    event: 'lodge_forecast_live_migration',
    enter: passedOverUnlessWanted,
    command: async (scene) => ({
      host: hostOf(scene),
      verb: 'migrateMeasure',
      params: { migrationId: String(scene.action.progress['migrationId']) },
    }),
    faults: 'skip',
    leave: async (trx, scene, result) => {
      if (result === undefined) return { progress: { forecast: null } }
      const { dest, needs } = scene.action.progress
      const forecast = forecastOf(result as MigrationMeasurement, {
        sharedStorage: (needs as MigrationNeeds).sharedStorage,
        measuredBytesPerSecond: await measuredBandwidth(trx, hostOf(scene), String(dest)),
        assumedBytesPerSecond: scene.context.config.fleet.assumedBandwidthMiBps * 2 ** 20,
      })
      return { progress: { forecast } }
    },
  },
  {
    name: 'judge',
    event: 'lodge_judge_live_migration',
    enter: passedOverUnlessWanted,
    command: async (scene) => {
      judge(scene)
      return null
    },
  },
]

async function passedOverUnlessWanted(_trx: Db, { context }: ActionScene): Promise<Entered> {
  return { kind: 'ok', skip: context.config.fleet.migrationForecast === 'off' }
}

/** @throws LodgeError conflict when the setting refuses what the forecast says */
function judge({ context, action }: ActionScene): void {
  const forecast = action.progress['forecast'] as KeptForecast | null | undefined
  const policy = context.config.fleet.migrationForecast
  if (policy === 'off' || forecast?.verdict !== 'never') return
  const { confirmed } = action.params as ActionParams['live-migration']
  const { reason } = forecast
  if (policy === 'refuse' && confirmed !== true)
    throw new LodgeError('conflict', `${refusal} ${reason} It can be confirmed all the same.`)
  context.log.warn({ server: action.serverId, reason }, 'a live migration is not expected to come to an end')
}

const refusal = 'The live migration is refused, as it would not come to an end.'

/** What the guest writes is the same wherever it would go. */
export const isRefusedByForecast = ({ message }: Fault): boolean => message.startsWith(refusal)

/** Keeps how the migration went beside what was foretold. */
export const withOutcome = (change: Change, { went }: { went?: MigrationOutcome }): Change =>
  went ? { ...change, progress: { ...change.progress, outcome: went } } : change

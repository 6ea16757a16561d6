import type { WorkedInReport } from '../../bus/bus.ts'
import type { CensusReport } from '../../contract/report.ts'
import type { ConductorContext } from '../context.ts'
import { createCensusQueue } from './census-queue.ts'
import { takeCensus } from './census.ts'
import { noteProgress } from './migration-progress.ts'
import { syncPower } from './power-sync.ts'
import type { Registrar } from './registrar.ts'

/** Takes what agents report: heartbeats to the registrar, power states and censuses to be held against the store. */
export function listenToReports(context: ConductorContext, registrar: Registrar): void {
  const { bus, log } = context
  const censuses = createCensusQueue({
    db: context.store.db,
    take: (census) => takeCensus(context, census),
    settled: async (census) => {
      if (census.awaitsAdmission) await admit(context, census)
    },
    failed: logFailure,
  })

  function logFailure({ host, type }: WorkedInReport, error: unknown): void {
    log.error({ err: error, host, type }, 'a report could not be worked in')
  }

  async function take(report: WorkedInReport): Promise<void> {
    switch (report.type) {
      case 'host':
        return registrar.take(report)
      case 'power':
        return syncPower(context, report)
      case 'census':
        return censuses.add(report)
      case 'migration-progress':
        return noteProgress(context, report)
    }
  }

  // Another controller may be the one that works the report in; that the host lives, each must know.
  bus.onHeartbeat(registrar.alive)
  bus.onReport((report) => {
    take(report).catch((error: unknown) => logFailure(report, error))
  })
}

/** The host has been told to remove what moved away while it was gone: it may take up its own work again. */
async function admit({ bus, log }: ConductorContext, { host, at }: CensusReport): Promise<void> {
  try {
    await bus.ask({ version: 1, host, name: 'admit', params: { censusAt: at } })
  } catch (error) {
    log.warn({ host, err: error }, 'a host could not be admitted; its next census asks again')
  }
}

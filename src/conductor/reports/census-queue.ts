import type { CensusReport } from '../../contract/report.ts'
import { hostsOfAnyServer } from '../../store/servers.ts'
import { hostsOfOpenEvacuations } from '../../store/server-migrations.ts'
import type { Db } from '../../store/store.ts'

/**
 * Where censuses wait to be held against the store. Thousands of hosts may take theirs at the same moment, when a
 * fleet starts: those of hosts that have no servers, here or by the store's word, are found out together, with two
 * statements for some hundred; of the others a few are in work at once, so that the store has time for the rest.
 */
export interface CensusQueue {
  /** A host's newer census replaces one that waits. */
  add(report: CensusReport): void
}

export interface CensusQueueOptions {
  db: Db
  /** Holds a census against the store. */
  take: (report: CensusReport) => Promise<void>
  /** There was nothing to hold against anything, or it is done. */
  settled: (report: CensusReport) => Promise<void>
  /** One that could not be taken; the host's next one tries again. */
  failed: (report: CensusReport, error: unknown) => void
}

const lookedAtOnce = 500
const inWorkAtOnce = 32

export function createCensusQueue({ db, take, settled, failed }: CensusQueueOptions): CensusQueue {
  const arrived = new Map<string, CensusReport>()
  const waiting = new Map<string, CensusReport>()
  let isLooking = false
  let inWork = 0

  async function look(): Promise<void> {
    if (isLooking) return
    isLooking = true
    // What comes in with it goes with it.
    await new Promise((resolve) => setImmediate(resolve))
    while (arrived.size > 0) {
      const batch = arrived.values().take(lookedAtOnce).toArray()
      for (const { host } of batch) arrived.delete(host)
      try {
        await sort(batch)
      } catch (error) {
        for (const report of batch) failed(report, error)
      }
    }
    isLooking = false
  }

  async function sort(batch: CensusReport[]): Promise<void> {
    const empty = batch.filter(({ servers }) => servers.length === 0).map(({ host }) => host)
    const inUse = new Set([
      ...(await hostsOfAnyServer(db, empty)),
      ...(await hostsOfOpenEvacuations(db, empty)),
    ])
    for (const report of batch)
      if (report.servers.length > 0 || inUse.has(report.host)) waiting.set(report.host, report)
      else void run(() => settled(report), report)
    startWork()
  }

  function startWork(): void {
    while (inWork < inWorkAtOnce && waiting.size > 0) {
      const [report] = waiting.values()
      if (!report) return
      waiting.delete(report.host)
      inWork += 1
      void run(async () => {
        await take(report)
        await settled(report)
      }, report).then(() => {
        inWork -= 1
        startWork()
      })
    }
  }

  async function run(work: () => Promise<void>, report: CensusReport): Promise<void> {
    try {
      await work()
    } catch (error) {
      failed(report, error)
    }
  }

  return {
    add(report) {
      arrived.set(report.host, report)
      void look()
    },
  }
}

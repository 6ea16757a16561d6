import type { CensusReport } from '../../contract/report.ts'
import type { Server } from '../../model/server.ts'
import type { ConductorContext } from '../context.ts'

/** Lets a guest run on that its host halted because it may have gone over, and had not: see isHaltedByLiveMigration. */
export async function letRunOn(
  context: ConductorContext,
  report: CensusReport,
  server: Server,
): Promise<void> {
  const facts = { server: server.id, host: report.host }
  context.log.info(facts, 'a guest that was halted by a migration may run on')
  try {
    const outcome = await context.bus.send({
      version: 1,
      id: `run-on-${server.id}-${report.at}`,
      host: report.host,
      serverId: server.id,
      verb: 'unpause',
      params: {},
      requestId: 'census',
    })
    if (!outcome.ok) context.log.warn({ ...facts, fault: outcome.fault.message }, 'it did not run on')
  } catch (error) {
    context.log.warn({ ...facts, err: error }, 'it could not be told; the next census tries again')
  }
}

import type { CensusReport } from '../../contract/report.ts'
import type { Server } from '../../model/server.ts'
import type { ConductorContext } from '../context.ts'

/** @returns whether the host has nothing of the server any more */
export async function removeStray(
  context: ConductorContext,
  report: Pick<CensusReport, 'host' | 'at'>,
  server: Server,
  rule: string,
): Promise<boolean> {
  const facts = { server: server.id, host: report.host, recordedHost: server.host, rule }
  context.log.info(facts, 'removing what is left of a server')
  try {
    const outcome = await context.bus.send({
      version: 1,
      id: `reap-${server.id}-${report.at}`,
      host: report.host,
      serverId: server.id,
      verb: 'destroy',
      // On shared storage this host may have taken over the disks for an evacuation that came to nothing.
      params: server.deletedAt === null && server.host !== null ? { returnTo: server.host } : {},
      requestId: 'census',
    })
    if (!outcome.ok) context.log.warn({ ...facts, fault: outcome.fault.message }, 'removing it failed')
    return outcome.ok
  } catch (error) {
    context.log.warn({ ...facts, err: error }, 'removing it failed; the next census tries again')
    return false
  }
}

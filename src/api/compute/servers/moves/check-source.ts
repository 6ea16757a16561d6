import { LodgeError } from '../../../../base/errors.ts'
import type { Server } from '../../../../model/server.ts'
import { hostFactsOf, findHost } from '../../../../store/host-facts.ts'
import type { Db } from '../../../../store/store.ts'
import type { ApiServices } from '../../../common/route.ts'
import { isServiceUp } from '../../services/service-state.ts'

/** Whether the agent of the server's host was heard of lately. */
export async function isSourceUp({ clock, config }: ApiServices, db: Db, server: Server): Promise<boolean> {
  if (server.host === null) return false
  const host = (await hostFactsOf(db, [server.host])).get(server.host)
  return host !== undefined && isServiceUp(host, clock.now(), config.hosts)
}

/** What is on a host that does not answer cannot be moved from it. @throws LodgeError conflict */
export async function needSourceUp(services: ApiServices, db: Db, server: Server): Promise<void> {
  if (!(await isSourceUp(services, db, server)))
    throw new LodgeError(
      'conflict',
      `Service is unavailable at this time: host ${server.host ?? ''} is down.`,
    )
}

/** The host that a request names, in the store's spelling. @throws LodgeError of `kind` when there is none */
export async function namedHost(db: Db, name: string, kind: 'badRequest' | 'notFound'): Promise<string> {
  const host = await findHost(db, { name })
  if (!host) throw new LodgeError(kind, `Compute host ${name} could not be found.`)
  return host.name
}

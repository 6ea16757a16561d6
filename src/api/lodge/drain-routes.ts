import { LodgeError } from '../../base/errors.ts'
import { wayOut } from '../../model/drain.ts'
import { liveActionsOf } from '../../store/actions.ts'
import { isInMaintenance, setMaintenance } from '../../store/drains.ts'
import { latestFaults } from '../../store/server-faults.ts'
import { getServersOfHost } from '../../store/servers.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'

const path = '/hosts/:host/drain'

/** Emptying a host: it goes on by itself, also over restarts of controllers, until it is stopped. */
export const drainRoutes = (services: ApiServices): Route[] => [
  {
    method: 'POST',
    path,
    policy: 'lodge:hosts:drain',
    role: 'admin',
    success: 202,
    summary: 'Puts a host in maintenance and moves its servers to others',
    handler: async (request) => {
      await set(services, request, true)
      return { body: { drain: await progressOf(services, request) } }
    },
  },
  {
    method: 'GET',
    path,
    policy: 'lodge:hosts:drain',
    role: 'admin',
    success: 200,
    summary: 'Shows which servers a host has still, and what becomes of them',
    handler: async (request) => ({ body: { drain: await progressOf(services, request) } }),
  },
  {
    method: 'DELETE',
    path,
    policy: 'lodge:hosts:drain',
    role: 'admin',
    success: 204,
    summary: 'Ends the maintenance of a host; moves that are under way go on',
    handler: async (request) => {
      await set(services, request, false)
      return {}
    },
  },
]

async function set({ store, clock, wake }: ApiServices, request: ApiRequest, on: boolean): Promise<void> {
  const host = hostOf(request)
  const known = await store.transaction((trx) => setMaintenance(trx, host, on, clock.now()))
  if (!known) throw noSuchHost(host)
  wake()
}

async function progressOf({ store }: ApiServices, request: ApiRequest): Promise<object> {
  const { db } = store
  const host = hostOf(request)
  const draining = await isInMaintenance(db, host)
  if (draining === undefined) throw noSuchHost(host)
  const servers = await getServersOfHost(db, host)
  const ids = servers.map(({ id }) => id)
  const live = new Map((await liveActionsOf(db, ids)).map(({ serverId, name }) => [serverId, name]))
  const faults = await latestFaults(db, ids)
  return {
    host,
    draining,
    empty: servers.length === 0,
    servers: servers.map((server) => ({
      id: server.id,
      name: server.name,
      vm_state: server.vmState,
      action: live.get(server.id) ?? null,
      way: wayOut(server),
      fault: faults.get(server.id)?.message ?? null,
    })),
  }
}

const hostOf = ({ params }: ApiRequest): string => params['host'] ?? ''

const noSuchHost = (host: string): LodgeError =>
  new LodgeError('notFound', `There is no host ${host.slice(0, 255)}.`)

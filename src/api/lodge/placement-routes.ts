import { LodgeError } from '../../base/errors.ts'
import type { Placement } from '../../model/placement.ts'
import { listPlacements, listPlacementsOfRequest } from '../../store/placements.ts'
import type { ApiServices, Route } from '../common/route.ts'
import { isoTime } from '../common/time.ts'

export const placementRoutes = ({ store }: ApiServices): Route[] => [
  {
    method: 'GET',
    path: '/placements/:request',
    policy: 'lodge:placements:show',
    role: 'admin',
    success: 200,
    summary: 'Shows why the scheduler placed the servers of a request where they are, or nowhere',
    handler: async ({ params: { request = '' } }) => {
      const found = await listPlacementsOfRequest(store.db, request)
      if (found.length === 0)
        throw new LodgeError('notFound', `No placement was made for request ${request.slice(0, 255)}.`)
      return { body: { placements: found.map(placementView) } }
    },
  },
  {
    method: 'GET',
    path: '/servers/:id/placements',
    policy: 'lodge:placements:index',
    role: 'admin',
    success: 200,
    summary: 'Lists the placements of a server, oldest first',
    handler: async ({ params: { id = '' } }) => ({
      body: { placements: (await listPlacements(store.db, id)).map(placementView) },
    }),
  },
]

const placementView = ({ requestId, serverId, chosenHost, createdAt, reasons }: Placement) => ({
  request_id: requestId,
  server_id: serverId,
  host: chosenHost,
  created_at: isoTime(createdAt),
  hosts: reasons.hosts,
  passed: reasons.passed,
  forced: reasons.forced === true,
  rejected: reasons.rejected,
  candidates: reasons.candidates.map(({ host, weight, parts }) => ({ host, weight, weighers: parts })),
})

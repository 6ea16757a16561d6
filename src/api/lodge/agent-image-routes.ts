import { createWriteStream } from 'node:fs'
import { mkdir, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { LodgeError } from '../../base/errors.ts'
import { newUuid } from '../../base/ids.ts'
import {
  agentHeaders,
  agentImagePath,
  signatureMs,
  signedText,
  simulatedFleet,
} from '../../contract/agent-signature.ts'
import type { ImageRecord } from '../../model/image.ts'
import { findAgent } from '../../store/agents.ts'
import { getImage } from '../../store/images.ts'
import { getServers } from '../../store/servers.ts'
import type { ApiRequest, ApiServices, Route } from '../common/route.ts'
import type { FleetDoor } from './fleet-door.ts'

/** Images for agents and snapshots from them. Agents have no tokens: they sign with the key that they joined with. */
export const agentImageRoutes = (services: ApiServices, door: FleetDoor): Route[] => [
  {
    method: 'GET',
    path: '/agent-images/:id',
    policy: 'lodge:agent_images:show',
    role: 'none',
    success: 200,
    summary: 'Downloads an active image, for an agent that signs the request',
    handler: async (request) => {
      await agentOf(services, door, request)
      const image = await getImage(services.store.db, request.params['id']!)
      if (image?.status !== 'active') throw noData(request)
      const stream = await services.imageFiles.read(image.id)
      return {
        headers: {
          'content-type': 'application/octet-stream',
          'content-length': String(image.sizeBytes ?? 0),
        },
        stream,
      }
    },
  },
  {
    method: 'PUT',
    path: '/agent-images/:id',
    policy: 'lodge:agent_images:update',
    role: 'none',
    success: 200,
    rawBody: true,
    summary: 'Takes the snapshot of a server in as an image’s data, from the agent of the server’s host',
    handler: async (request) => {
      const host = await agentOf(services, door, request)
      const image = await getImage(services.store.db, request.params['id']!)
      if (!image) throw noData(request)
      await refuseForeign(services, image, host)
      const file = join(door.incoming, newUuid())
      try {
        await mkdir(door.incoming, { recursive: true, mode: 0o700 })
        await pipeline(
          Readable.from(request.stream ?? []),
          createWriteStream(file, { mode: 0o600, flags: 'wx' }),
        )
        const { sizeBytes } = await door.images.store(image.id, file)
        return { body: { size_bytes: sizeBytes } }
      } catch (error) {
        throw brokenOff(error)
      } finally {
        await rm(file, { force: true })
      }
    },
  },
]

/**
 * The host whose agent signed the request.
 * @throws LodgeError unauthorized when none did, or not lately
 */
async function agentOf({ store, clock }: ApiServices, door: FleetDoor, request: ApiRequest): Promise<string> {
  const header = (name: string): string => [request.headers[name]].flat()[0] ?? ''
  const host = header(agentHeaders.host)
  const at = Number(header(agentHeaders.at))
  const path = agentImagePath(request.params['id']!)
  const agent = await findAgent(store.db, host)
  const text = signedText({ method: request.method, path, host, at })
  const signed =
    agent !== undefined &&
    agent.revokedAt === null &&
    door.isSignedBy(agent.publicKey, text, header(agentHeaders.signature))
  if (!signed) throw new LodgeError('unauthorized', 'The request is not signed by an agent of this fleet.')
  if (!(Math.abs(clock.now() - at) <= signatureMs))
    throw new LodgeError(
      'unauthorized',
      'The agent’s clock and the controller’s differ by minutes: set them.',
    )
  return host
}

/** An agent fills the snapshots of servers on its host, and no other images. */
async function refuseForeign({ store }: ApiServices, image: ImageRecord, agent: string): Promise<void> {
  const serverId = image.properties['instance_uuid']
  const [server] = serverId === undefined ? [] : await getServers(store.db, [serverId])
  const host = server?.host ?? ''
  if (host === agent || (agent === simulatedFleet && /^simulated-\d+$/.test(host))) return
  throw new LodgeError('forbidden', `The image ${image.id} is not of a server on host ${agent}.`)
}

const noData = (request: ApiRequest): LodgeError =>
  new LodgeError('notFound', `The image ${request.params['id']!.slice(0, 64)} has no data.`)

const brokenOff = (error: unknown): unknown =>
  ['ECONNRESET', 'ERR_STREAM_PREMATURE_CLOSE', 'ABORT_ERR'].includes(
    (error as { code?: string } | null)?.code ?? '',
  )
    ? new LodgeError('badRequest', 'The image data broke off before its end.', { cause: error })
    : error

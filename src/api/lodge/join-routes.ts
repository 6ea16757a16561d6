import { createHash } from 'node:crypto'
import { newSecret } from '../../base/ids.ts'
import { LodgeError } from '../../base/errors.ts'
import { simulatedFleet } from '../../contract/agent-signature.ts'
import {
  findAgent,
  findInvite,
  insertInvite,
  listAgents,
  revokeAgent,
  saveAgent,
  trimInvites,
  useInvite,
  type AgentRecord,
  type Invite,
} from '../../store/agents.ts'
import type { ApiServices, Route } from '../common/route.ts'
import { object, wrapped } from '../common/schema-parts.ts'
import { isoTime } from '../common/time.ts'
import type { FleetDoor } from './fleet-door.ts'

const hostName = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[A-Za-z0-9._-]+$' }
/** The one name with a star is that of a simulated fleet. */
const joiner = { ...hostName, pattern: '^([A-Za-z0-9._-]+|simulated-\\*)$' }

const inviteSchema = wrapped(
  'invite',
  object({
    host: { ...joiner, type: ['string', 'null'] },
    minutes: { type: 'integer', minimum: 1, maximum: 10_080 },
  }),
)
const joinSchema = object(
  {
    token: { type: 'string', minLength: 1, maxLength: 255 },
    host: joiner,
    public_key: { type: 'string', minLength: 1, maxLength: 255 },
  },
  { required: ['token', 'host', 'public_key'] },
)

/** An invite lives this long unless told, minutes. */
const defaultMinutes = 60

/** How a host becomes part of the fleet: an administrator invites it, and it brings its key. */
export const joinRoutes = ({ store, clock, log }: ApiServices, door: FleetDoor): Route[] => [
  {
    method: 'POST',
    path: '/host-invites',
    policy: 'lodge:host_invites:create',
    role: 'admin',
    success: 201,
    summary: 'Makes a token with which one host may join, once',
    body: [{ schema: inviteSchema }],
    handler: async ({ body, links }) => {
      const asked = (body as { invite: { host?: string | null; minutes?: number } }).invite
      const token = newSecret(40)
      const now = clock.now()
      const host = asked.host ?? null
      const expiresAt = now + (asked.minutes ?? defaultMinutes) * 60_000
      await trimInvites(store.db, now - keepUsedMs)
      await insertInvite(store.db, { tokenHash: hashOf(token), host, createdAt: now, expiresAt })
      return {
        body: {
          invite: {
            token,
            host,
            expires_at: isoTime(expiresAt),
            url: links.versioned,
            ca_fingerprint: door.caPem === null ? null : fingerprintOf(door.caPem),
          },
        },
      }
    },
  },
  {
    method: 'POST',
    path: '/agents/join',
    policy: 'lodge:agents:join',
    role: 'none',
    success: 200,
    summary: 'Makes a host part of the fleet: an invite’s token and a public key for the agent’s credentials',
    body: [{ schema: joinSchema }],
    handler: async ({ body }) => {
      const {
        token,
        host,
        public_key: publicKey,
      } = body as { token: string; host: string; public_key: string }
      const tokenHash = hashOf(token)
      // Before anything is used up: the key may be nonsense.
      const invite = checkInvite(await findInvite(store.db, tokenHash), host, clock.now())
      const jwt = await door.issue(host, publicKey)
      await store.transaction(async (trx) => {
        const now = clock.now()
        if (invite.host === null && (await findAgent(trx, host)))
          throw new LodgeError(
            'conflict',
            `Host ${host} has joined before. To let it join anew: lodge host invite ${host}`,
          )
        if (!(await useInvite(trx, tokenHash, now))) throw used()
        // Several processes may run simulated hosts of one fleet; a real host has one agent.
        await saveAgent(trx, { host, publicKey, joinedAt: now }, { alone: host !== simulatedFleet })
      })
      log.info({ host }, 'a host has joined')
      await door.tellRevoked()
      return { body: { host, jwt, nats_url: door.natsUrl, ca_pem: door.caPem } }
    },
  },
  {
    method: 'GET',
    path: '/agents',
    policy: 'lodge:agents:index',
    role: 'admin',
    success: 200,
    summary: 'Lists the hosts that have joined, with their keys',
    handler: async () => ({
      body: {
        agents: (await listAgents(store.db)).map(agentView),
      },
    }),
  },
  {
    method: 'DELETE',
    path: '/agents/:host',
    policy: 'lodge:agents:delete',
    role: 'admin',
    success: 200,
    summary: 'Revokes the keys of a host’s agent: NATS refuses it at once, or as soon as it can be told',
    handler: async ({ params: { host = '' } }) => {
      const agent = await store.transaction((trx) => revokeAgent(trx, host, clock.now()))
      if (!agent) throw new LodgeError('notFound', `No host ${host.slice(0, 255)} has joined.`)
      log.info({ host }, 'the key of a host is revoked')
      return { body: { agent: agentView(agent), nats_refuses: await door.tellRevoked() } }
    },
  },
]

const agentView = (agent: AgentRecord): object => ({
  host: agent.host,
  public_key: agent.publicKey,
  joined_at: isoTime(agent.joinedAt),
  revoked_at: agent.revokedAt === null ? null : isoTime(agent.revokedAt),
  simulated: agent.host === simulatedFleet,
})

/** Used and expired ones are kept for a while, so that who uses one learns why it is refused. */
const keepUsedMs = 7 * 24 * 3_600_000

/** @throws LodgeError unauthorized, forbidden or conflict for a token that this host may not join with now */
function checkInvite(invite: Invite | undefined, host: string, now: number): Invite {
  if (!invite) throw new LodgeError('unauthorized', 'There is no invite with this token.')
  if (invite.usedAt !== null) throw used()
  if (invite.expiresAt <= now)
    throw new LodgeError('unauthorized', 'The invite has expired. Make another: lodge host invite')
  // A whole simulated fleet is more than an open invite gives.
  if (invite.host === null ? host === simulatedFleet : invite.host !== host)
    throw new LodgeError('forbidden', `The invite is not for host ${host}.`)
  return invite
}

const used = (): LodgeError =>
  new LodgeError('conflict', 'The invite was used before. Make another: lodge host invite')

const hashOf = (token: string): string => createHash('sha256').update(token).digest('hex')

/** SHA-256 of the file as it is, which `sha256sum` shows too. */
const fingerprintOf = (pem: string): string => createHash('sha256').update(pem).digest('hex')

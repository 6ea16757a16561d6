import { existsSync } from 'node:fs'
import { openJournal } from '../agent/journal.ts'
import type { Config } from '../base/config.ts'
import { LodgeError } from '../base/errors.ts'
import { readMembership } from './membership.ts'
import { stateDirectory } from './state-directory.ts'
import { isLocked } from './state-lock.ts'

export interface AgentStatus {
  host: string
  controllerUrl: string
  natsUrl: string
  running: boolean
  /** The ledger: what the host is to keep, with or without a controller. */
  servers: { serverId: string; wanted: string; name: string }[]
  /** Commands that were accepted and have no outcome yet. */
  unfinished: { verb: string; serverId: string; requestId: string }[]
}

/**
 * What this host knows of itself, without asking anybody.
 * @throws LodgeError badRequest when it has not joined
 */
export async function readAgentStatus(config: Config): Promise<AgentStatus> {
  const state = stateDirectory(config.stateDirectory)
  const member = readMembership(state.root)
  if (!member)
    throw new LodgeError('badRequest', `This host has not joined a fleet (no agent.json in ${state.root})`)
  const { host, controllerUrl, natsUrl } = member
  const common = { host, controllerUrl, natsUrl, running: isLocked(state.lock) }
  if (!existsSync(state.journal)) return { ...common, servers: [], unfinished: [] }
  const journal = openJournal(state.journal)
  try {
    const own = journal.forHost(host)
    return {
      ...common,
      servers: own
        .servers()
        .map(({ serverId, wanted }) => ({ serverId, wanted, name: own.spec(serverId)?.name ?? '' })),
      unfinished: own.unfinished().map(({ verb, serverId, requestId }) => ({ verb, serverId, requestId })),
    }
  } finally {
    await journal.close()
  }
}

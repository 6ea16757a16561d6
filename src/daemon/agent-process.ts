import { systemClock } from '../base/clock.ts'
import type { Config } from '../base/config.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { Logger } from '../base/logging.ts'
import { lateBus } from '../bus/late-bus.ts'
import { connectNats, type NatsConnectOptions } from '../bus/nats-connect.ts'
import { agentInbox } from '../bus/nats-subjects.ts'
import { createNatsBus, type NatsBus } from '../bus/nats.ts'
import { simulatedFleet } from '../contract/agent-signature.ts'
import { startAgents } from './agents.ts'
import { readMembership, type Membership } from './membership.ts'
import { createRemoteImages } from './remote-images.ts'
import { makeStateDirectory, stateDirectory } from './state-directory.ts'
import { lockState } from './state-lock.ts'
import type { Running } from './supervise.ts'

export interface AgentProcess extends Running {
  /** The name that the host has joined under. */
  host: string
  /** Whether NATS was there within the first seconds. Without it the agent runs, and goes on trying. */
  connected: boolean
}

export interface AgentProcessOptions {
  config: Config
  log: Logger
  /** How long the start waits for NATS before it counts as done without. Ten seconds unless told. */
  graceMs?: number
}

const retryMs = 1000

/**
 * Starts the agent of this host, or simulated hosts, for controllers elsewhere.
 * @throws LodgeError badRequest when the host has not joined, conflict when the state directory or the host's name
 * is in use, unauthorized when NATS refuses the credentials, unavailable without libvirt at the first start
 */
export async function startAgentProcess(options: AgentProcessOptions): Promise<AgentProcess> {
  const { log, graceMs = 10_000 } = options
  const clock = systemClock
  const state = stateDirectory(options.config.stateDirectory)
  const member = memberOf(options.config, state.root)
  const config = configOf(options.config, member)
  makeStateDirectory(state)
  const lock = lockState(state.lock, 1000)
  const stopping = new AbortController()

  let bus: NatsBus | undefined
  async function connectInTheEnd(): Promise<NatsBus> {
    const wanted = connectionOf(config, member)
    for (;;) {
      try {
        bus = createNatsBus({ connection: await connectNats(wanted), log: log.child({ room: 'bus' }) })
        return bus
      } catch (error) {
        if (!(error instanceof LodgeError && error.kind === 'unavailable')) throw error
        log.debug({ reason: messageOf(error) }, 'NATS is not there')
      }
      await clock.sleep(retryMs, stopping.signal)
    }
  }

  const coming = connectInTheEnd()
  const images = createRemoteImages(member, clock)
  // Without a bus they start all the same, up to the moment at which they would serve it.
  const agents = startAgents({ config, state, bus: lateBus(coming), images, clock, log, ofFleet: true })
  const failed = Promise.all([agents, coming.then(closedForGood)]).then(neverHere)
  failed.catch(() => {})

  const stop = async (): Promise<void> => {
    stopping.abort(new LodgeError('unavailable', 'The agent is stopping'))
    await agents.then(
      (stopAgents) => stopAgents(),
      () => {},
    )
    await bus?.close()
    lock.release()
  }
  try {
    const grace = new AbortController()
    const tooLong = clock.sleep(graceMs, grace.signal).then(
      () => false,
      () => false,
    )
    const connected = await Promise.race([coming.then(() => true), failed, tooLong])
    grace.abort()
    // Thousands of simulated hosts take longer than any grace.
    if (connected) await Promise.race([agents, failed])
    if (!connected) log.warn({ url: member.natsUrl }, 'NATS is not there; the agent runs and goes on trying')
    return { host: member.host, connected, stop, failed }
  } catch (error) {
    await stop()
    throw error
  }
}

const closedForGood = async (bus: NatsBus): Promise<never> => {
  await bus.closed
  throw new LodgeError('unavailable', 'NATS has closed the connection for good')
}

const neverHere = (): never => {
  throw new LodgeError('internal', 'The connection to NATS ended without a reason')
}

function memberOf(config: Config, root: string): Membership {
  const member = readMembership(root)
  if (!member)
    throw new LodgeError(
      'badRequest',
      `This host has not joined a fleet (there is no agent.json in ${root}): lodge agent join`,
    )
  const { hosts } = config.simulate
  if ((member.host === simulatedFleet) !== hosts > 0)
    throw new LodgeError(
      'badRequest',
      hosts > 0
        ? `This state directory has joined as host ${member.host}, not for simulated hosts: lodge agent join --simulated`
        : 'This state directory has joined for simulated hosts: lodge agent --simulate N',
    )
  return member
}

function configOf(config: Config, { host }: Membership): Config {
  const { hostName } = config.agent
  if (host === simulatedFleet) return config
  if (hostName !== null && hostName !== host)
    throw new LodgeError('badRequest', `agent.hostName is ${hostName}, but this host has joined as ${host}`)
  return { ...config, agent: { ...config.agent, hostName: host } }
}

const connectionOf = ({ bus }: Config, member: Membership): NatsConnectOptions => ({
  url: bus.url ?? member.natsUrl,
  credentialsFile: bus.credentialsFile ?? member.credentialsFile,
  caFile: bus.caFile ?? member.caFile,
  name: `lodge agent ${member.host}`,
  inboxPrefix: agentInbox(member.host),
})

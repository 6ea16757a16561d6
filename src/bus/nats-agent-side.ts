import type { Msg, NatsConnection } from '@nats-io/transport-node'
import { LodgeError } from '../base/errors.ts'
import type { AgentEndpoint } from './bus.ts'
import { decodeCommand, decodeQuery, encode, errorAnswer, type Answer } from './nats-messages.ts'
import { agentSubject } from './nats-subjects.ts'

/** A command in work, and everywhere that its outcome is waited for. */
type Run = Set<string>

/** How long a former agent of the host gets to say that it is there, milliseconds. */
const presenceMs = 1000

/**
 * Serves one host over the connection. A command is acknowledged at once and answered when it is done; one that
 * comes again with the same id while it runs only adds a place to answer to.
 * @throws LodgeError conflict when another agent serves the host
 */
export async function serveHost(
  connection: NatsConnection,
  host: string,
  endpoint: AgentEndpoint,
  connected: () => boolean,
): Promise<() => Promise<void>> {
  await refuseSecond(connection, host)
  const runs = new Map<string, Run>()
  let left = false

  const answer = (to: string | undefined, message: Answer): void => {
    // Who asked will ask again; what is said into a broken connection is lost, or comes when it is forbidden.
    if (to !== undefined && to !== '' && connected() && !connection.isClosed())
      connection.publish(to, encode(message))
  }

  function takeCommand(message: Msg): void {
    const { reply } = message
    const command = decodeCommand(message.data)
    refuseForeign(command.host, host)
    answer(reply, { version: 1, type: 'accepted' })
    const running = runs.get(command.id)
    if (running) {
      if (reply) running.add(reply)
      return
    }
    const run: Run = new Set(reply ? [reply] : [])
    runs.set(command.id, run)
    endpoint
      .command(command)
      .then(
        (outcome): Answer => ({ version: 1, type: 'outcome', outcome }),
        (error: unknown) => errorAnswer(error),
      )
      .then((message) => {
        runs.delete(command.id)
        if (!left) for (const to of run) answer(to, message)
      })
  }

  function takeQuery(message: Msg): void {
    const query = decodeQuery(message.data)
    refuseForeign(query.host, host)
    endpoint.query(query).then(
      (result) => answer(message.reply, { version: 1, type: 'result', result }),
      (error: unknown) => answer(message.reply, errorAnswer(error)),
    )
  }

  const subscription = connection.subscribe(agentSubject(host, '*'), {
    callback: (error, message) => {
      if (error) return
      try {
        if (message.subject === agentSubject(host, 'command')) takeCommand(message)
        else if (message.subject === agentSubject(host, 'query')) takeQuery(message)
        else answer(message.reply, { version: 1, type: 'result', result: { host } })
      } catch (thrown) {
        answer(message.reply, errorAnswer(thrown))
      }
    },
  })
  await connection.flush()

  return async () => {
    left = true
    subscription.unsubscribe()
    for (const run of runs.values())
      for (const to of run)
        answer(to, errorAnswer(new LodgeError('unavailable', `The agent of host ${host} has stopped`)))
    runs.clear()
    if (connected() && !connection.isClosed()) await connection.flush()
  }
}

async function refuseSecond(connection: NatsConnection, host: string): Promise<void> {
  try {
    await connection.request(agentSubject(host, 'presence'), '{}', { timeout: presenceMs })
  } catch {
    // Nobody listens, or what does is dead.
    return
  }
  throw new LodgeError('conflict', `An agent for host ${host} is running already`)
}

function refuseForeign(addressed: string, host: string): void {
  if (addressed !== host)
    throw new LodgeError('badRequest', `A message for host ${addressed.slice(0, 255)} came to host ${host}`)
}

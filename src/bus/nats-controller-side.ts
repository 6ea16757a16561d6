import { createInbox, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { LodgeError } from '../base/errors.ts'
import type { Command, Outcome, Query } from '../contract/command.ts'
import { decodeAnswer, encode, errorOf, type Answer } from './nats-messages.ts'
import { agentSubject } from './nats-subjects.ts'

/** How patient a controller is, milliseconds. */
export interface NatsPatience {
  /** An agent says at once that it has a command. */
  acknowledgeMs: number
  /** How often an agent that works is asked for the outcome again, in case its answer was lost. */
  askAgainMs: number
  /** How long an agent may think about a question. */
  queryMs: number
}

export const defaultPatience: NatsPatience = { acknowledgeMs: 5000, askAgainMs: 10_000, queryMs: 30_000 }

/** Questions in a row without any answer, after which an agent counts as out of reach. */
const unansweredAtMost = 3

export interface ControllerSide {
  send(command: Command): Promise<Outcome>
  ask(query: Query): Promise<unknown>
  /** The connection is back: whoever waits asks again, as answers may have been lost. */
  reconnected(): void
  stop(): void
}

interface Waiting {
  /** Sends the command again. */
  again(): void
  take(message: Msg): void
  fail(error: LodgeError): void
}

/**
 * A command is sent until it is acknowledged, and asked for again under the same id until there is an outcome: an
 * answer that was lost, or a connection that broke on either side, costs time and nothing else.
 */
export function controllerSide(
  connection: NatsConnection,
  connected: () => boolean,
  patience: NatsPatience,
): ControllerSide {
  const inbox = createInbox()
  const waiting = new Map<string, Waiting>()
  let last = 0
  let listening = false

  /** No sooner than something is sent: an agent, which sends nothing, may not listen there. */
  function listen(): void {
    if (listening) return
    listening = true
    connection.subscribe(`${inbox}.*`, {
      callback: (error, message) => {
        if (!error) waiting.get(message.subject)?.take(message)
      },
    })
  }

  function send(command: Command): Promise<Outcome> {
    if (connection.isClosed()) return Promise.reject(unreachable(command.host))
    listen()
    const { promise, resolve, reject } = Promise.withResolvers<Outcome>()
    const reply = `${inbox}.${++last}`
    const subject = agentSubject(command.host, 'command')
    const payload = encode(command)
    let timer: NodeJS.Timeout | undefined
    let unanswered = 0
    let accepted = false

    const end = (settle: () => void): void => {
      clearTimeout(timer)
      waiting.delete(reply)
      settle()
    }
    const fail = (error: LodgeError): void => end(() => reject(error))
    const again = (): void => {
      if (unanswered === unansweredAtMost) return fail(unreachable(command.host))
      unanswered += 1
      wait(patience.acknowledgeMs)
      // Nothing is left in a buffer: it would reach the agent when nobody stands by it any more.
      if (!connected()) return
      try {
        connection.publish(subject, payload, { reply })
      } catch (cause) {
        fail(unreachable(command.host, cause))
      }
    }
    const wait = (ms: number): void => {
      clearTimeout(timer)
      timer = setTimeout(again, ms)
    }
    const take = (message: Msg): void => {
      if (isNobody(message)) {
        // An agent that has the command may just be slower to reconnect than we are.
        if (!accepted) return fail(unreachable(command.host))
        return wait(patience.acknowledgeMs / 5)
      }
      const answer = decoded(message)
      if (answer instanceof LodgeError) return fail(answer)
      unanswered = 0
      accepted = true
      if (answer.type === 'outcome') end(() => resolve(answer.outcome))
      else if (answer.type === 'error') fail(errorOf(answer))
      else wait(patience.askAgainMs)
    }
    waiting.set(reply, { again, take, fail })
    again()
    return promise
  }

  async function ask(query: Query): Promise<unknown> {
    if (!connected()) throw unreachable(query.host)
    let message: Msg
    try {
      message = await connection.request(agentSubject(query.host, 'query'), encode(query), {
        timeout: patience.queryMs,
      })
    } catch (cause) {
      throw unreachable(query.host, cause)
    }
    const answer = decodeAnswer(message.data)
    if (answer.type === 'error') throw errorOf(answer)
    return answer.type === 'result' ? answer.result : undefined
  }

  return {
    send,
    ask,
    reconnected: () => {
      for (const { again } of waiting.values()) again()
    },
    stop: () => {
      for (const { fail } of waiting.values())
        fail(new LodgeError('unavailable', 'The connection to NATS was closed'))
    },
  }
}

/** The server's own answer when nobody has subscribed to the subject. */
const isNobody = (message: Msg): boolean => message.data.length === 0 && message.headers?.code === 503

function decoded(message: Msg): Answer | LodgeError {
  try {
    return decodeAnswer(message.data)
  } catch (error) {
    return error as LodgeError
  }
}

const unreachable = (host: string, cause?: unknown): LodgeError =>
  new LodgeError('unavailable', `The agent of host ${host} cannot be reached`, { cause })

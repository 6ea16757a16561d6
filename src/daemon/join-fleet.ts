import { createHash } from 'node:crypto'
import { hostname } from 'node:os'
import type { Config } from '../base/config.ts'
import { isErrorKind, LodgeError, messageOf, type ErrorKind } from '../base/errors.ts'
import { credentialsFile, newAgentKey } from '../bus/nats-keys.ts'
import { simulatedFleet } from '../contract/agent-signature.ts'
import { writeMembership } from './membership.ts'
import { makeStateDirectory, stateDirectory } from './state-directory.ts'

export interface JoinOptions {
  config: Config
  /** As the invite names it: `http://controller:8774/lodge/v1`. */
  url: string
  token: string
  /** SHA-256 of the certificates that NATS is checked with; what the controller sends must be these. */
  caFingerprint?: string
  /** Joins as a simulated fleet. */
  simulated: boolean
}

/**
 * Makes this host part of a fleet: a key is made here and stays here, the controller answers its public half with
 * signed claims, and both together are the host's credentials. Returns the host's name.
 * @throws LodgeError as the controller refused, unavailable when it cannot be reached
 */
export async function joinFleet(options: JoinOptions): Promise<string> {
  const { config, url, token, caFingerprint, simulated } = options
  const host = simulated ? simulatedFleet : (config.agent.hostName ?? hostname())
  const controllerUrl = url.replace(/\/+$/, '')
  const state = stateDirectory(config.stateDirectory)
  makeStateDirectory(state)
  const key = newAgentKey()
  const answer = await post(`${controllerUrl}/agents/join`, { token, host, public_key: key.publicKey })
  const { jwt, nats_url: natsUrl, ca_pem: caPem } = answer
  if (caFingerprint !== undefined && sha256(caPem ?? '') !== caFingerprint.toLowerCase())
    throw new LodgeError(
      'forbidden',
      'The controller sent other certificates than the invite names: someone may be in between.',
    )
  writeMembership(state.root, {
    host,
    controllerUrl,
    natsUrl,
    credentials: credentialsFile(jwt, key.seed),
    caPem,
  })
  return host
}

interface Joined {
  jwt: string
  nats_url: string
  ca_pem: string | null
}

async function post(url: string, body: object): Promise<Joined> {
  let response: Response
  let answer: unknown
  try {
    response = await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify(body),
      signal: AbortSignal.timeout(30_000),
    })
    answer = await response.json()
  } catch (cause) {
    throw new LodgeError('unavailable', `No controller answers at ${url}: ${reasonOf(cause)}`, { cause })
  }
  const { error, ...joined } = answer as Partial<Joined> & { error?: { message?: string } }
  if (!response.ok)
    throw new LodgeError(
      kindOf(response.status),
      error?.message ?? `The controller answered ${response.status}`,
    )
  if (typeof joined.jwt !== 'string' || typeof joined.nats_url !== 'string')
    throw new LodgeError('unavailable', `What answers at ${url} is no controller of Lodge`)
  return joined as Joined
}

/** fetch hides why in the cause. */
const reasonOf = (error: unknown): string => messageOf((error as { cause?: unknown }).cause ?? error)

const kindOf = (status: number): ErrorKind => {
  const kind = { 400: 'badRequest', 401: 'unauthorized', 403: 'forbidden', 404: 'notFound', 409: 'conflict' }[
    status
  ]
  return isErrorKind(kind) ? kind : 'unavailable'
}

const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex')

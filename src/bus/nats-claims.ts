import type { NatsConnection } from '@nats-io/transport-node'
import { LodgeError, messageOf } from '../base/errors.ts'
import { connectNats, type NatsConnectOptions } from './nats-connect.ts'
import { claimsUpdateSubject, systemCredentials, type AccountClaims } from './nats-keys.ts'

/** How long nats-server may take for an answer, milliseconds. */
const answerMs = 5000

/**
 * Tells nats-server new claims of an account, over a connection of its own account. They hold at once, in a whole
 * cluster, until it starts again with those of its configuration; connections of users that are revoked are cut.
 * @throws LodgeError unavailable when it cannot be reached or does not take them, unauthorized when it does not know
 * its own account by this key
 */
export async function tellClaims(
  connection: Pick<NatsConnectOptions, 'url' | 'caFile' | 'name'>,
  systemSeed: string,
  { id, jwt }: AccountClaims,
): Promise<void> {
  const credentials = await systemCredentials(systemSeed, id)
  const nats = await connectNats({ ...connection, credentialsFile: null, credentials })
  try {
    await update(nats, id, jwt)
  } finally {
    await nats.close()
  }
}

async function update(nats: NatsConnection, id: string, jwt: string): Promise<void> {
  let answer: { data?: { code?: number }; error?: { description?: string } }
  try {
    answer = (await nats.request(claimsUpdateSubject(id), jwt, { timeout: answerMs })).json()
  } catch (cause) {
    throw new LodgeError('unavailable', `nats-server does not take new claims: ${messageOf(cause)}`, {
      cause,
    })
  }
  if (answer.data?.code !== 200)
    throw new LodgeError(
      'unavailable',
      `nats-server refuses new claims: ${answer.error?.description ?? JSON.stringify(answer)}`,
    )
}

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { connect, credsAuthenticator, type NatsConnection } from '@nats-io/transport-node'
import { LodgeError, messageOf } from '../base/errors.ts'

export interface NatsConnectOptions {
  /** `nats://host:4222`, or `tls://host:4222`; several with commas. */
  url: string
  /** A file of credentials; null: the server asks for none, or they are in `credentials`. */
  credentialsFile: string | null
  /** The text of such a file. */
  credentials?: string
  /** Certificates to check the server's with; null: the system's. */
  caFile: string | null
  /** How the server's list of connections calls this one. */
  name: string
  /** Where answers go: an agent may have them below its own prefix only. */
  inboxPrefix?: string
}

/**
 * Connects to NATS, and then again whenever the connection is lost, for ever. A first failure is final.
 * @throws LodgeError badRequest when a file cannot be read, unauthorized when the server refuses the credentials,
 * unavailable when it cannot be reached
 */
export async function connectNats(options: NatsConnectOptions): Promise<NatsConnection> {
  const { url, credentialsFile, caFile, inboxPrefix } = options
  const servers = url.split(',').map((one) => one.trim())
  const ca = caFile === null ? undefined : read(caFile).toString('utf8')
  const credentials =
    credentialsFile === null ? options.credentials && Buffer.from(options.credentials) : read(credentialsFile)
  try {
    return await connect({
      servers: servers.map((one) => one.replace(/^(nats|tls):\/\//, '')),
      name: options.name,
      // With `tls` set, a server that offers none is refused.
      ...(ca !== undefined || servers.some((one) => one.startsWith('tls:')) ? { tls: tlsOf(url, ca) } : {}),
      ...(credentials && { authenticator: credsAuthenticator(credentials) }),
      ...(inboxPrefix !== undefined && { inboxPrefix }),
      timeout: 10_000,
      maxReconnectAttempts: -1,
      reconnectTimeWait: 500,
      pingInterval: 10_000,
      maxPingOut: 2,
    })
  } catch (cause) {
    const refused = /authoriz|authenti|permission/i.test(`${(cause as Error).name} ${messageOf(cause)}`)
    throw new LodgeError(
      refused ? 'unauthorized' : 'unavailable',
      refused
        ? `NATS at ${url} refuses the credentials ${credentialsFile ?? '(none)'}`
        : `NATS at ${url} cannot be reached: ${messageOf(cause)}`,
      { cause },
    )
  }
}

/** The client tells Node the server's name, but not its address, which a certificate may be for as well. */
function tlsOf(url: string, ca: string | undefined): object {
  const host = URL.parse(url)?.hostname.replace(/^\[(.*)\]$/, '$1') ?? ''
  return { ca, ...(isIP(host) !== 0 && { host }) }
}

function read(path: string): Buffer {
  try {
    return readFileSync(path)
  } catch (cause) {
    throw new LodgeError('badRequest', `Cannot read ${path}: ${messageOf(cause)}`, { cause })
  }
}

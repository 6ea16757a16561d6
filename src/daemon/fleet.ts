import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { controllerCredentials, newFleetKeys, serverClaims, type FleetKeys } from '../bus/nats-keys.ts'
import { LodgeError } from '../base/errors.ts'

/** The fleet's keys on a controller's disk: `<state>/fleet`. Controllers of one fleet have copies of one directory. */
export interface FleetFiles {
  directory: string
  /** Both seeds, mode 0600. */
  keys: string
  /** The controllers' own credentials, mode 0600. */
  credentials: string
  /** What nats-server is started with. */
  serverConfig: string
}

export interface ServerSettings {
  /** Where nats-server listens. */
  host: string
  port: number
  /** Its certificate; null: connections are not encrypted. */
  tls: { certificateFile: string; keyFile: string } | null
}

export const fleetFiles = (stateDirectory: string): FleetFiles => {
  const directory = join(resolve(stateDirectory), 'fleet')
  return {
    directory,
    keys: join(directory, 'keys.json'),
    credentials: join(directory, 'controller.creds'),
    serverConfig: join(directory, 'nats-server.conf'),
  }
}

/**
 * Makes the fleet's keys, the controllers' credentials and the configuration for nats-server. Keys that are there
 * stay; the configuration is written anew.
 */
export async function initFleet(stateDirectory: string, server: ServerSettings): Promise<FleetFiles> {
  const files = fleetFiles(stateDirectory)
  mkdirSync(files.directory, { recursive: true, mode: 0o700 })
  if (!existsSync(files.keys)) writeWhole(files.keys, `${JSON.stringify(newFleetKeys(), null, 2)}\n`)
  const keys = readFleetKeys(stateDirectory)!
  if (!existsSync(files.credentials))
    writeWhole(files.credentials, await controllerCredentials(keys.accountSeed))
  await writeServerConfig(files, keys, server, {})
  return files
}

/** undefined when this state directory has none. @throws LodgeError badRequest for a file of another form */
export function readFleetKeys(stateDirectory: string): FleetKeys | undefined {
  const path = fleetFiles(stateDirectory).keys
  if (!existsSync(path)) return undefined
  try {
    const keys = JSON.parse(readFileSync(path, 'utf8')) as Partial<FleetKeys>
    if (typeof keys.accountSeed === 'string' && typeof keys.operatorSeed === 'string')
      return keys as FleetKeys
  } catch (cause) {
    throw new LodgeError('badRequest', `Cannot read the fleet's keys in ${path}`, { cause })
  }
  throw new LodgeError('badRequest', `${path} holds no keys of a fleet`)
}

/**
 * nats-server reads JSON. Agents are not named in it: their claims are signed by the account, so that one joins
 * without a change here. Users in `revoked` (by public key, with the second of their revocation) are refused.
 */
async function writeServerConfig(
  files: FleetFiles,
  keys: FleetKeys,
  server: ServerSettings,
  revoked: Record<string, number>,
): Promise<void> {
  const claims = await serverClaims(keys, revoked)
  const config = {
    host: server.host,
    port: server.port,
    ...(server.tls && {
      tls: { cert_file: resolve(server.tls.certificateFile), key_file: resolve(server.tls.keyFile) },
    }),
    operator: claims.operator,
    resolver: 'MEMORY',
    resolver_preload: { [claims.accountId]: claims.account },
  }
  writeWhole(files.serverConfig, `${JSON.stringify(config, null, 2)}\n`)
}

/** Whole or not at all, for its owner only. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

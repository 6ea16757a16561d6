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
  /** Public keys that count no more, each with the second of its revocation. */
  revoked: string
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
    revoked: join(directory, 'revoked.json'),
  }
}

/**
 * Makes the fleet's keys, the controllers' credentials and the configuration for nats-server. Keys that are there
 * stay; the configuration is written anew.
 */
export async function initFleet(stateDirectory: string, server: ServerSettings): Promise<FleetFiles> {
  const files = fleetFiles(stateDirectory)
  mkdirSync(files.directory, { recursive: true, mode: 0o700 })
  if (!existsSync(files.keys)) writeWhole(files.keys, `${JSON.stringify(await newFleetKeys(), null, 2)}\n`)
  const keys = readFleetKeys(stateDirectory)!
  if (!existsSync(files.credentials))
    writeWhole(files.credentials, await controllerCredentials(keys.accountSeed))
  const { host, port, tls } = server
  await writeServerConfig(files, keys, {
    host,
    port,
    ...(tls && { tls: { cert_file: resolve(tls.certificateFile), key_file: resolve(tls.keyFile) } }),
  })
  return files
}

/**
 * Writes nats-server's configuration anew without the key. It counts no more once nats-server has read that.
 * @throws LodgeError badRequest when this state directory has no fleet
 */
export async function revokeKey(stateDirectory: string, publicKey: string, now: number): Promise<FleetFiles> {
  const files = fleetFiles(stateDirectory)
  const keys = readFleetKeys(stateDirectory)
  if (!keys) throw new LodgeError('badRequest', `There are no keys of a fleet in ${files.directory}`)
  const revoked = { ...readJson(files.revoked), [publicKey]: Math.floor(now / 1000) }
  writeWhole(files.revoked, `${JSON.stringify(revoked, null, 2)}\n`)
  await writeServerConfig(files, keys, readJson(files.serverConfig) ?? {})
  return files
}

/** undefined when this state directory has none. @throws LodgeError badRequest for a file of another form */
export function readFleetKeys(stateDirectory: string): FleetKeys | undefined {
  const path = fleetFiles(stateDirectory).keys
  if (!existsSync(path)) return undefined
  try {
    const keys = JSON.parse(readFileSync(path, 'utf8')) as Partial<FleetKeys>
    const all = [keys.accountSeed, keys.operatorSeed, keys.operatorJwt]
    if (all.every((value) => typeof value === 'string')) return keys as FleetKeys
  } catch (cause) {
    throw new LodgeError('badRequest', `Cannot read the fleet's keys in ${path}`, { cause })
  }
  throw new LodgeError('badRequest', `${path} holds no keys of a fleet`)
}

/**
 * nats-server reads JSON. Agents are not named in it: their claims are signed by the account, so that one joins
 * without a change here. What an operator has added to the file stays.
 */
async function writeServerConfig(files: FleetFiles, keys: FleetKeys, server: object): Promise<void> {
  const revoked = readJson(files.revoked) as Record<string, number> | undefined
  const claims = await serverClaims(keys, revoked)
  const config = {
    ...server,
    operator: claims.operator,
    resolver: 'MEMORY',
    resolver_preload: { [claims.accountId]: claims.account },
  }
  writeWhole(files.serverConfig, `${JSON.stringify(config, null, 2)}\n`)
}

function readJson(path: string): object | undefined {
  return existsSync(path) ? (JSON.parse(readFileSync(path, 'utf8')) as object) : undefined
}

/** Whole or not at all, for its owner only. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

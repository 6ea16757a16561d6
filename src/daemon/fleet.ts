import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import {
  controllerCredentials,
  fleetAccount,
  newAccountSeed,
  newFleetKeys,
  systemAccount,
  type FleetKeys,
} from '../bus/nats-keys.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import { makeDirectory } from '../base/make-directory.ts'

/** The fleet's keys on a controller's disk: `<state>/fleet`. Controllers of one fleet have copies of one directory. */
export interface FleetFiles {
  directory: string
  /** All seeds, mode 0600. */
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
  try {
    makeDirectory(files.directory, 0o700)
  } catch (cause) {
    throw new LodgeError('badRequest', `Cannot make ${files.directory}: ${messageOf(cause)}`, { cause })
  }
  const keys = await completeKeys(files.keys)
  if (!existsSync(files.credentials))
    writeWhole(files.credentials, await controllerCredentials(keys.accountSeed))
  const { host, port, tls } = server
  const settings = {
    host,
    port,
    ...(tls && { tls: { cert_file: resolve(tls.certificateFile), key_file: resolve(tls.keyFile) } }),
  }
  await writeServerConfig(files, keys, settings, [])
  return files
}

/** Keys that are there stay; what an older Lodge did not make is added. */
async function completeKeys(path: string): Promise<FleetKeys> {
  const before = readJson(path) as Partial<FleetKeys> | undefined
  const keys = before
    ? { ...before, systemSeed: before.systemSeed ?? newAccountSeed() }
    : await newFleetKeys()
  if (!before?.systemSeed) writeWhole(path, `${JSON.stringify(keys, null, 2)}\n`)
  return checkKeys(keys, path)
}

/** Has nats-server refuse those keys from its next start on; one that runs is told so over its own connection. */
export async function writeRevoked(
  stateDirectory: string,
  keys: FleetKeys,
  revoked: readonly string[],
): Promise<void> {
  const files = fleetFiles(stateDirectory)
  const server = readJson(files.serverConfig)
  if (server) await writeServerConfig(files, keys, server, revoked)
}

/** undefined when this state directory has none. @throws LodgeError badRequest for a file of another form */
export function readFleetKeys(stateDirectory: string): FleetKeys | undefined {
  const path = fleetFiles(stateDirectory).keys
  if (!existsSync(path)) return undefined
  return checkKeys(readJson(path) as Partial<FleetKeys>, path)
}

function checkKeys(keys: Partial<FleetKeys>, path: string): FleetKeys {
  const { accountSeed, operatorSeed, operatorJwt, systemSeed } = keys
  const all = [accountSeed, operatorSeed, operatorJwt, systemSeed]
  if (all.every((value) => typeof value === 'string')) return keys as FleetKeys
  throw new LodgeError(
    'badRequest',
    `${path} does not hold all keys of a fleet: run lodge fleet init, and start nats-server with what that writes`,
  )
}

/**
 * nats-server reads JSON. Agents are not named in it: their claims are signed by the account, so that one joins
 * without a change here. What an operator has added to the file stays.
 */
async function writeServerConfig(
  files: FleetFiles,
  keys: FleetKeys,
  server: object,
  revoked: readonly string[],
): Promise<void> {
  const [fleet, system] = [await fleetAccount(keys, revoked), await systemAccount(keys)]
  const config = {
    ...server,
    operator: keys.operatorJwt,
    system_account: system.id,
    resolver: 'MEMORY',
    resolver_preload: { [fleet.id]: fleet.jwt, [system.id]: system.jwt },
  }
  writeWhole(files.serverConfig, `${JSON.stringify(config, null, 2)}\n`)
}

function readJson(path: string): object | undefined {
  if (!existsSync(path)) return undefined
  try {
    return JSON.parse(readFileSync(path, 'utf8')) as object
  } catch (cause) {
    throw new LodgeError('badRequest', `${path} is not JSON`, { cause })
  }
}

/** Whole or not at all, for its owner only. */
function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 })
  renameSync(`${path}.new`, path)
}

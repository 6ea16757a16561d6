import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LodgeError } from '../base/errors.ts'

/** What a host that has joined knows of its fleet. */
export interface Membership {
  /** Its name there; `simulated-*` for a simulated fleet's agent. */
  host: string
  /** Our own API's root: `http://controller:8774/lodge/v1`. */
  controllerUrl: string
  natsUrl: string
  credentialsFile: string
  /** null: NATS is checked with the system's certificates. */
  caFile: string | null
}

const paths = (root: string) => ({
  settings: join(root, 'agent.json'),
  credentials: join(root, 'agent.creds'),
  ca: join(root, 'agent-ca.pem'),
})

/** undefined when the host has not joined. @throws LodgeError badRequest when what is there cannot be read */
export function readMembership(root: string): Membership | undefined {
  const { settings, credentials, ca } = paths(root)
  if (!existsSync(settings)) return undefined
  try {
    const { host, controllerUrl, natsUrl } = JSON.parse(readFileSync(settings, 'utf8'))
    return {
      host,
      controllerUrl,
      natsUrl,
      credentialsFile: credentials,
      caFile: existsSync(ca) ? ca : null,
    }
  } catch (cause) {
    throw new LodgeError('badRequest', `Cannot read ${settings}: join again`, { cause })
  }
}

/** The settings come last: with them the host has joined. All of it is for its owner's eyes only. */
export function writeMembership(
  root: string,
  member: Pick<Membership, 'host' | 'controllerUrl' | 'natsUrl'> & {
    credentials: string
    caPem: string | null
  },
): void {
  const { settings, credentials, ca } = paths(root)
  writeWhole(credentials, member.credentials)
  if (member.caPem !== null) writeWhole(ca, member.caPem)
  const { host, controllerUrl, natsUrl } = member
  writeWhole(settings, `${JSON.stringify({ version: 1, host, controllerUrl, natsUrl }, null, 2)}\n`)
}

function writeWhole(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600, flush: true })
  renameSync(`${path}.new`, path)
}

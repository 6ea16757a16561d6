import { simulatedFleet } from '../contract/agent-signature.ts'
import type { Report } from '../contract/report.ts'

/**
 * Who speaks where:
 *
 *   lodge.v1.agent.<host>.command|query|presence    controllers to one agent; the last, an agent to its own like
 *   lodge.v1.report.<host>.host|alive               one agent to all controllers, the first to one of them as well
 *   lodge.v1.report.<host>.power|census|migration-progress
 *                                                   one agent to one of the controllers
 *   _INBOX.agent.<host>.>                           answers to an agent
 *   lodge.v1.image.find|changed|slice.<controller>  controllers among themselves
 *
 * `<host>` is two tokens: `host.<name>`, or `simulated.<number>`, so that one credential can be given for a whole
 * simulated fleet and for nothing else.
 */
const root = 'lodge.v1'

export type AgentSubject = 'command' | 'query' | 'presence'

export const agentSubject = (host: string, about: AgentSubject | '*' | '>'): string =>
  `${root}.agent.${hostTokens(host)}.${about}`

export const reportSubject = (host: string, type: Report['type'] | '*'): string =>
  `${root}.report.${hostTokens(host)}.${type}`

/** What one of the controllers works in; signs of life, which are most of all, are not among it. */
export const workedInReports = (['host', 'power', 'census', 'migration-progress'] as const).map(
  (type) => `${root}.report.*.*.${type}`,
)
/** What every controller must hear. */
export const everyHeartbeat = [`${root}.report.*.*.alive`, `${root}.report.*.*.host`]

export const agentInbox = (host: string): string =>
  `_INBOX.agent.${host === simulatedFleet ? 'simulated.fleet' : hostTokens(host)}`

export const imageFind = `${root}.image.find`
export const imageChanged = `${root}.image.changed`
export const imageSlice = (controller: string): string => `${root}.image.slice.${controller}`

/** The host that a report's subject speaks for; undefined for subjects of other forms. */
export function hostOfReport(subject: string): string | undefined {
  const [, kind, name] = /^lodge\.v1\.report\.(host|simulated)\.([^.]+)\.[a-z-]+$/.exec(subject) ?? []
  if (name === undefined) return undefined
  if (kind === 'simulated') return `simulated-${name}`
  return name.includes('=') ? decodeToken(name) : name
}

function hostTokens(host: string): string {
  if (host === simulatedFleet) return 'simulated.*'
  const number = /^simulated-(\d+)$/.exec(host)?.[1]
  return number === undefined ? `host.${encodeToken(host)}` : `simulated.${number}`
}

/** Letters, digits, `-` and `_` stand for themselves; each byte of anything else is `=XX`. */
const encodeToken = (text: string): string =>
  Array.from(Buffer.from(text), (byte) => {
    const character = String.fromCharCode(byte)
    return /[A-Za-z0-9_-]/.test(character)
      ? character
      : `=${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }).join('')

const decodeToken = (token: string): string =>
  Buffer.from(
    token.replace(/=([0-9A-F]{2})/g, (_all, hex: string) => String.fromCharCode(Number.parseInt(hex, 16))),
    'latin1',
  ).toString()

import { Algorithms, decode, encodeAccount, encodeOperator, encodeUser, fmtCreds } from '@nats-io/jwt'
import { createAccount, createOperator, createUser, fromPublic, fromSeed } from '@nats-io/nkeys'
import { LodgeError } from '../base/errors.ts'
import { agentInbox, agentSubject, reportSubject } from './nats-subjects.ts'

/**
 * Identities on NATS, in its own scheme of signed claims: the operator signs the account, the account signs users.
 * nats-server needs to know the first two only, so an agent is added without touching it.
 */
export interface FleetKeys {
  /** Seeds: whoever has the operator's may change the account, whoever has the account's may add agents. */
  operatorSeed: string
  accountSeed: string
  /** Of the account in which nats-server itself listens: whoever has it may tell it new claims of accounts. */
  systemSeed: string
  /** The operator's claims, as they were first written: nats-server takes no others without a restart. */
  operatorJwt: string
}

export async function newFleetKeys(): Promise<FleetKeys> {
  const operator = createOperator()
  return {
    operatorSeed: seedText(operator),
    accountSeed: newAccountSeed(),
    systemSeed: newAccountSeed(),
    operatorJwt: await encodeOperator('lodge', operator, {}, v2),
  }
}

export const newAccountSeed = (): string => seedText(createAccount())

/** An account as nats-server knows it. */
export interface AccountClaims {
  id: string
  jwt: string
}

/** The account that controllers and agents speak in. Users with a key in `revoked` are refused. */
export async function fleetAccount(keys: FleetKeys, revoked: readonly string[]): Promise<AccountClaims> {
  const revocations = Object.fromEntries(revoked.map((key) => [key, forEver]))
  const more = revoked.length > 0 ? { revocations } : {}
  return accountClaims('lodge', keys.accountSeed, keys.operatorSeed, more)
}

/** nats-server's own account, see `FleetKeys.systemSeed`. */
export const systemAccount = (keys: FleetKeys): Promise<AccountClaims> =>
  accountClaims('lodge-system', keys.systemSeed, keys.operatorSeed, {})

async function accountClaims(
  name: string,
  seed: string,
  operatorSeed: string,
  more: object,
): Promise<AccountClaims> {
  const key = fromSeed(bytes(seed))
  const signer = fromSeed(bytes(operatorSeed))
  const jwt = await encodeAccount(name, key, { limits: { ...unlimited }, ...more }, { ...v2, signer })
  return { id: key.getPublicKey(), jwt }
}

/** Credentials that may tell nats-server new claims of that account, and nothing else. */
export async function systemCredentials(systemSeed: string, accountId: string): Promise<string> {
  const user = createUser()
  const allowed = { pub: { allow: [claimsUpdateSubject(accountId)] }, sub: { allow: ['_INBOX.>'] } }
  const jwt = await encodeUser('controller', user, fromSeed(bytes(systemSeed)), allowed, v2)
  return text(fmtCreds(jwt, user))
}

/** Where nats-server takes new claims of an account. */
export const claimsUpdateSubject = (accountId: string): string =>
  `$SYS.REQ.ACCOUNT.${accountId}.CLAIMS.UPDATE`

/** A file of credentials that may say and hear everything: for controllers. */
export async function controllerCredentials(accountSeed: string): Promise<string> {
  const user = createUser()
  const jwt = await encodeUser('controller', user, fromSeed(bytes(accountSeed)), {}, v2)
  return text(fmtCreds(jwt, user))
}

/**
 * Claims with which the holder of `publicKey` may speak as the agent of `host` and as nobody else: report in its own
 * name, hear what is sent to it, and answer whoever asked.
 * @throws LodgeError badRequest when it is not the public key of a user
 */
export async function agentClaims(accountSeed: string, host: string, publicKey: string): Promise<string> {
  if (!isUserKey(publicKey)) throw new LodgeError('badRequest', 'public_key is not the public nkey of a user')
  return await encodeUser(
    host,
    fromPublic(publicKey),
    fromSeed(bytes(accountSeed)),
    {
      pub: { allow: [reportSubject(host, '*'), agentSubject(host, 'presence')] },
      sub: { allow: [agentSubject(host, '>'), `${agentInbox(host)}.>`] },
      // Enough for an acknowledgement and an outcome; the controller's next question starts the count anew.
      resp: { max: 8, ttl: answerNanoseconds },
    },
    v2,
  )
}

/** A new identity, whose seed never leaves the host. */
export function newAgentKey(): { seed: string; publicKey: string } {
  const user = createUser()
  return { seed: seedText(user), publicKey: user.getPublicKey() }
}

/** The text of a credentials file. */
export const credentialsFile = (jwt: string, seed: string): string =>
  text(fmtCreds(jwt, fromSeed(bytes(seed))))

/** The seed in the text of a credentials file; undefined when there is none. */
export const seedIn = (credentials: string): string | undefined => /^SU[A-Z2-7]{56}$/m.exec(credentials)?.[0]

export const signWith = (seed: string, message: string): string =>
  Buffer.from(fromSeed(bytes(seed)).sign(bytes(message))).toString('base64url')

export const publicKeyOf = (seed: string): string => fromSeed(bytes(seed)).getPublicKey()

/** Whether `signature` is of that message and by the holder of that key. */
export function isSignedBy(publicKey: string, message: string, signature: string): boolean {
  try {
    return fromPublic(publicKey).verify(bytes(message), Buffer.from(signature, 'base64url'))
  } catch {
    return false
  }
}

/** The user that claims are for; for a look at what was given. */
export const subjectOfClaims = (jwt: string): string => decode(jwt).sub

const isUserKey = (key: string): boolean => {
  try {
    return key.startsWith('U') && fromPublic(key).getPublicKey() === key
  } catch {
    return false
  }
}

const v2 = { algorithm: Algorithms.v2 }

/**
 * A revocation covers what was issued before that second. A key that is revoked never comes back, and controllers'
 * clocks may differ: the year 2100.
 */
const forEver = 4_102_444_800

/** Absent limits count as zero. */
const unlimited = {
  subs: -1,
  data: -1,
  payload: -1,
  imports: -1,
  exports: -1,
  wildcards: true,
  conn: -1,
  leaf: -1,
  disallow_bearer: true,
}

/** Longer than a controller lets an agent work before it asks again. */
const answerNanoseconds = 10 * 60 * 1e9

const bytes = (value: string): Uint8Array => new TextEncoder().encode(value)
const text = (value: Uint8Array): string => new TextDecoder().decode(value)
const seedText = (pair: { getSeed(): Uint8Array }): string => text(pair.getSeed())

import { randomBytes, scrypt, timingSafeEqual, type ScryptOptions } from 'node:crypto'
import { promisify } from 'node:util'

/** scrypt's cost: 2^logN blocks of r * 128 bytes, p times. */
export interface PasswordCost {
  logN: number
  r: number
  p: number
}

/** What OWASP names for 16 MiB of memory: about 0.2 s of one core, off the main thread. */
const defaultCost: PasswordCost = { logN: 14, r: 8, p: 5 }
const keyLength = 32
const saltLength = 16

/** The longest password that is taken, in characters, as Keystone has it. */
export const maxPasswordLength = 4096

/** A salted hash that names its own parameters, `$scrypt$ln=14,r=8,p=5$<salt>$<key>`, so that they can change later. */
export async function hashPassword(password: string, cost: PasswordCost = defaultCost): Promise<string> {
  const salt = randomBytes(saltLength)
  const key = await derive(password, salt, keyLength, cost)
  return encode(cost, salt, key)
}

/**
 * Whether `password` is the one behind `stored`. With no `stored` (a user who does not exist) the answer is no, after
 * the same work, so that the time tells nothing.
 */
export async function verifyPassword(password: string, stored: string | undefined): Promise<boolean> {
  const { cost, salt, key } = decode(stored ?? nobody)
  const derived = await derive(password, salt, key.length, cost)
  return timingSafeEqual(derived, key) && stored !== undefined
}

const encode = ({ logN, r, p }: PasswordCost, salt: Buffer, key: Buffer): string =>
  `$scrypt$ln=${logN},r=${r},p=${p}$${salt.toString('base64url')}$${key.toString('base64url')}`

function decode(stored: string): { cost: PasswordCost; salt: Buffer; key: Buffer } {
  const match = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([\w-]+)\$([\w-]+)$/.exec(stored)
  // A hash of another form belongs to nobody who could know its password.
  if (!match) return decode(nobody)
  const [, logN, r, p, salt = '', key = ''] = match
  return {
    cost: { logN: Number(logN), r: Number(r), p: Number(p) },
    salt: Buffer.from(salt, 'base64url'),
    key: Buffer.from(key, 'base64url'),
  }
}

/** The hash of a password that was thrown away. */
const nobody = encode(defaultCost, randomBytes(saltLength), randomBytes(keyLength))

const scryptAsync = promisify<string, Buffer, number, ScryptOptions, Buffer>(scrypt)

async function derive(password: string, salt: Buffer, length: number, cost: PasswordCost): Promise<Buffer> {
  const N = 2 ** cost.logN
  const options = { N, r: cost.r, p: cost.p, maxmem: 256 * N * cost.r }
  return await oneOfFew(() => scryptAsync(password.normalize('NFKC'), salt, length, options))
}

/** Node's thread pool has four threads that files need as well: logins in a flood may take two of them. */
const maxAtOnce = 2
let running = 0
const waiting: (() => void)[] = []

async function oneOfFew<T>(work: () => Promise<T>): Promise<T> {
  if (running >= maxAtOnce) await new Promise<void>((resolve) => waiting.push(resolve))
  else running++
  try {
    return await work()
  } finally {
    const next = waiting.shift()
    if (next) next()
    else running--
  }
}

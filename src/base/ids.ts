import { randomBytes, randomUUID } from 'node:crypto'

/** A random UUID with dashes: servers, images, actions, commands. */
export const newUuid = (): string => randomUUID()

/** Thirty-two hexadecimal digits, Keystone's form of ids: users, projects, roles. */
export const newHexId = (): string => randomUUID().replaceAll('-', '')

/** An OpenStack request id, `req-<uuid>`. */
export const newRequestId = (): string => `req-${randomUUID()}`

const secretAlphabet = 'ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789'

/** A random secret of `length` characters that can be read aloud: no 0/O, 1/l/I. */
export function newSecret(length: number): string {
  let secret = ''
  while (secret.length < length) {
    for (const byte of randomBytes(length)) {
      // Bytes past the last whole multiple of the alphabet are dropped, so that every character is equally likely.
      if (byte < 256 - (256 % secretAlphabet.length) && secret.length < length)
        secret += secretAlphabet[byte % secretAlphabet.length]
    }
  }
  return secret
}

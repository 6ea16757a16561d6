import { generateKeyPair, X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { LodgeError } from '../../../base/errors.ts'
import type { KeyPair } from '../../../model/key-pair.ts'
import { sshFingerprint, sshLineOfRsa } from './ssh-public-key.ts'

/** A public key with its fingerprint, and the private key if it was made here. */
export interface KeyMaterial {
  publicKey: string
  fingerprint: string
  privateKey?: string
}

const generate = promisify(generateKeyPair)

/** Checks a public key or certificate that a user brings. Throws `badRequest` if it is none. */
export function importKey(type: KeyPair['type'], publicKey: string): KeyMaterial {
  const fingerprint = type === 'ssh' ? sshFingerprint(publicKey) : certificateFingerprint(publicKey)
  if (fingerprint === undefined)
    throw new LodgeError(
      'badRequest',
      `Keypair data is invalid: failed to generate ${type === 'ssh' ? 'fingerprint' : 'X509 fingerprint'}`,
    )
  return { publicKey, fingerprint }
}

/** A new RSA key of 2048 bits; the private half in PEM (PKCS #1), which is kept nowhere. */
export async function generateSshKey(): Promise<KeyMaterial> {
  const { publicKey, privateKey } = await generate('rsa', { modulusLength: 2048 })
  const line = sshLineOfRsa(publicKey, 'Generated-by-Lodge')
  const fingerprint = sshFingerprint(line)
  if (fingerprint === undefined) throw new LodgeError('internal', 'A generated key has no fingerprint')
  return {
    publicKey: line,
    fingerprint,
    privateKey: privateKey.export({ type: 'pkcs1', format: 'pem' }).toString(),
  }
}

/** SHA-1 of the certificate, in lower case. */
function certificateFingerprint(pem: string): string | undefined {
  // Only PEM: Node would take the bytes of a certificate as well, which nobody could show again.
  if (!pem.includes('-----BEGIN CERTIFICATE-----')) return undefined
  try {
    return new X509Certificate(pem).fingerprint.toLowerCase()
  } catch {
    return undefined
  }
}

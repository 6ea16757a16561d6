/** A public key of a user, under a name that is unique to the user. */
export interface KeyPair {
  /** Integer id that old clients see. */
  number: number
  userId: string
  name: string
  type: 'ssh' | 'x509'
  /** MD5 of the key (ssh) or SHA-1 of the certificate (x509), hexadecimal with colons. */
  fingerprint: string
  /** OpenSSH's one line, or a certificate in PEM. */
  publicKey: string
  /** Milliseconds since 1970. */
  createdAt: number
}

import { createHash, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto'

/**
 * OpenSSH's public keys: one line of type, key in base64 and comment. Node's crypto does not read the form, so the
 * few fields of RFC 4253 are taken apart here; whether they make a key is for node:crypto to say.
 */

/** MD5 of the key with colons between the bytes, as `ssh-keygen -E md5` prints it; undefined if it is no key. */
export function sshFingerprint(publicKey: string): string | undefined {
  const [, type, base64] = /^(\S+)[ \t]+(\S+)/.exec(publicKey) ?? []
  if (type === undefined || base64 === undefined || !isStrictBase64(base64)) return undefined
  const blob = Buffer.from(base64, 'base64')
  if (!isKey(type, blob)) return undefined
  return createHash('md5').update(blob).digest('hex').match(/../g)?.join(':')
}

/** A public key of node:crypto (RSA only) as OpenSSH's line. */
export function sshLineOfRsa(key: KeyObject, comment: string): string {
  const { n, e } = key.export({ format: 'jwk' })
  const blob = Buffer.concat([
    field(Buffer.from('ssh-rsa')),
    field(positive(Buffer.from(e ?? '', 'base64url'))),
    field(positive(Buffer.from(n ?? '', 'base64url'))),
  ])
  return `ssh-rsa ${blob.toString('base64')} ${comment}\n`
}

const curves: Record<string, { name: string; jwk: string; bytes: number }> = {
  'ecdsa-sha2-nistp256': { name: 'nistp256', jwk: 'P-256', bytes: 32 },
  'ecdsa-sha2-nistp384': { name: 'nistp384', jwk: 'P-384', bytes: 48 },
  'ecdsa-sha2-nistp521': { name: 'nistp521', jwk: 'P-521', bytes: 66 },
  'sk-ecdsa-sha2-nistp256@openssh.com': { name: 'nistp256', jwk: 'P-256', bytes: 32 },
}

function isKey(type: string, blob: Buffer): boolean {
  const [name, ...fields] = fieldsOf(blob) ?? []
  if (name?.toString('latin1') !== type) return false
  // Keys on a security token end with the application's name.
  const hardware = type.startsWith('sk-')
  if (hardware && fields.pop() === undefined) return false
  if (type === 'ssh-rsa') {
    const [e, n, ...more] = fields
    return e !== undefined && n !== undefined && more.length === 0 && importsAs(rsa(e, n))
  }
  if (type === 'ssh-dss') return fields.length === 4 && fields.every((part) => part.length > 0)
  if (type === 'ssh-ed25519' || type === 'sk-ssh-ed25519@openssh.com') {
    const [x, ...more] = fields
    return x?.length === 32 && more.length === 0 && importsAs({ kty: 'OKP', crv: 'Ed25519', x: url(x) })
  }
  const curve = Object.hasOwn(curves, type) ? curves[type] : undefined
  const [curveName, point, ...more] = fields
  if (!curve || !point || more.length > 0 || curveName?.toString('latin1') !== curve.name) return false
  // An uncompressed point: 4, x, y.
  if (point[0] !== 4 || point.length !== 1 + 2 * curve.bytes) return false
  const x = url(point.subarray(1, 1 + curve.bytes))
  const y = url(point.subarray(1 + curve.bytes))
  return importsAs({ kty: 'EC', crv: curve.jwk, x, y })
}

const rsa = (e: Buffer, n: Buffer): JsonWebKey => ({ kty: 'RSA', e: url(e), n: url(n) })

/** Leading zeroes keep integers positive in SSH; JWK has none. */
const url = (bytes: Buffer): string => bytes.toString('base64url')

function importsAs(key: JsonWebKey): boolean {
  try {
    createPublicKey({ key, format: 'jwk' })
    return true
  } catch {
    return false
  }
}

/** The length-prefixed fields that fill `blob` exactly, or undefined. */
function fieldsOf(blob: Buffer): Buffer[] | undefined {
  const fields: Buffer[] = []
  let at = 0
  while (at < blob.length) {
    if (at + 4 > blob.length || fields.length === 8) return undefined
    const end = at + 4 + blob.readUInt32BE(at)
    if (end > blob.length) return undefined
    fields.push(blob.subarray(at + 4, end))
    at = end
  }
  return fields
}

function field(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4)
  length.writeUInt32BE(bytes.length)
  return Buffer.concat([length, bytes])
}

/** The sign bit of SSH's integers must be clear. */
const positive = (bytes: Buffer): Buffer =>
  bytes.length > 0 && (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes

const isStrictBase64 = (text: string): boolean => /^[A-Za-z0-9+/]+={0,2}$/.test(text) && text.length % 4 === 0

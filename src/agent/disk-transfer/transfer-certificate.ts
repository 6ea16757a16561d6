import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { promisify } from 'node:util'
import { LodgeError, messageOf } from '../../base/errors.ts'

/** What one process shows to those who send disks to it. */
export interface TransferCertificate {
  /** Both as PEM. */
  key: string
  certificate: string
  /** SHA-256, as Node.js writes fingerprints. */
  fingerprint: string
}

/**
 * Makes a key and a certificate that nobody has signed: senders know it by its fingerprint, which the controller tells
 * them with each offer. It lives as long as the process does and is never on disk.
 * @throws LodgeError unavailable without the program `openssl`
 */
export async function makeTransferCertificate(): Promise<TransferCertificate> {
  try {
    const { stdout } = await promisify(execFile)('openssl', words, { timeout: 30_000 })
    const [key, certificate] = [partOf(stdout, 'PRIVATE KEY'), partOf(stdout, 'CERTIFICATE')]
    return { key, certificate, fingerprint: new X509Certificate(certificate).fingerprint256 }
  } catch (cause) {
    throw new LodgeError(
      'unavailable',
      `The certificate under which this host takes other hosts' disks cannot be made; is openssl installed? (${messageOf(cause)})`,
      { cause },
    )
  }
}

/** `-` twice: key and certificate both come out, one after the other. */
const words =
  'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=lodge-agent -days 3650 -keyout - -out -'.split(
    ' ',
  )

function partOf(pem: string, label: string): string {
  const [begin, end] = [`-----BEGIN ${label}-----`, `-----END ${label}-----`]
  const from = pem.indexOf(begin)
  const to = pem.indexOf(end, from)
  if (from < 0 || to < 0) throw new LodgeError('internal', `openssl gave no ${label.toLowerCase()}`)
  return `${pem.slice(from, to + end.length)}\n`
}

import { execFileSync } from 'node:child_process'
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { LodgeError, messageOf } from '../base/errors.ts'

/** Where a host of the lab has its certificate, as it sees it: for libvirtd, as its client, and for QEMU. */
export const pkiDirectory = '/etc/libvirt/pki'

export interface CertifiedHost {
  /** Its /etc/libvirt, as seen from outside. */
  etc: string
  name: string
  address: string
}

/**
 * Gives each host a key and a certificate of an authority of the lab's own, under the names that libvirt (`pkipath`) and
 * QEMU look for. Nobody keeps the authority's key.
 * @throws LodgeError unavailable when openssl fails
 */
export function certifyHosts(hosts: readonly CertifiedHost[]): void {
  const work = mkdtempSync(join(tmpdir(), 'lodge-pki-'))
  const authority = { key: join(work, 'ca-key.pem'), certificate: join(work, 'ca.pem') }
  try {
    openssl(authority, '/CN=lodge lab', [
      'basicConstraints=critical,CA:TRUE',
      'keyUsage=critical,keyCertSign',
    ])
    for (const host of hosts) certify(host, authority, work)
  } finally {
    rmSync(work, { recursive: true, force: true })
  }
}

interface KeyPair {
  key: string
  certificate: string
}

function certify({ etc, name, address }: CertifiedHost, authority: KeyPair, work: string): void {
  const own = { key: join(work, `${name}-key.pem`), certificate: join(work, `${name}.pem`) }
  const extensions = [
    `subjectAltName=IP:${address},DNS:${name}`,
    'basicConstraints=critical,CA:FALSE',
    'keyUsage=critical,digitalSignature,keyEncipherment',
    'extendedKeyUsage=serverAuth,clientAuth',
  ]
  openssl(own, `/CN=${name}`, extensions, authority)
  const directory = join(etc, 'pki')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  const copy = (from: string, ...names: string[]): void =>
    names.forEach((to) => copyFileSync(from, join(directory, to)))
  copy(authority.certificate, 'cacert.pem', 'ca-cert.pem')
  copy(own.certificate, 'servercert.pem', 'clientcert.pem', 'server-cert.pem', 'client-cert.pem')
  copy(own.key, 'serverkey.pem', 'clientkey.pem', 'server-key.pem', 'client-key.pem')
}

/** Makes a key and its certificate, signed by the authority or, without one, by itself. */
function openssl(own: KeyPair, subject: string, extensions: string[], authority?: KeyPair): void {
  const words = [
    ...'req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650'.split(' '),
    '-subj',
    subject,
    '-keyout',
    own.key,
    '-out',
    own.certificate,
    ...extensions.flatMap((extension) => ['-addext', extension]),
    ...(authority ? ['-CA', authority.certificate, '-CAkey', authority.key] : []),
  ]
  try {
    execFileSync('openssl', words, { stdio: ['ignore', 'ignore', 'pipe'], timeout: 30_000 })
  } catch (cause) {
    throw new LodgeError('unavailable', `The lab's certificates could not be made: ${messageOf(cause)}`, {
      cause,
    })
  }
}

import { randomUUID } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fillCapabilitiesCache } from './capabilities-cache.ts'
import { pkiDirectory } from './lab-certificates.ts'

/** The address of the host with that number, on a network that no other lab and no machine shares. */
export const addressOf = (number: number): string => `10.77.0.${number}`

/** The switch's own. */
export const switchAddress = '10.77.0.254'

/** Its host name. */
export const nameOf = (number: number): string => `host${number}`

/** Where the host keeps its own files. */
export const directoryOf = (labDirectory: string, number: number): string =>
  join(labDirectory, nameOf(number))

/** Makes the directories and settings of a new host of a lab with `count` hosts. */
export function prepareHost(labDirectory: string, number: number, count: number): void {
  const directory = directoryOf(labDirectory, number)
  for (const name of ['run', 'etc', 'lib/images', 'log/libvirt', 'log/swtpm', 'cache', 'cgroup'])
    mkdirSync(join(directory, name), { recursive: true, mode: 0o755 })
  // What is mounted over must exist. The packages make these; /var/cache/libvirt may wait for a first start.
  for (const path of ['/etc/libvirt', '/var/lib/libvirt', '/var/cache/libvirt'])
    mkdirSync(path, { recursive: true })

  const uuid = randomUUID()
  writeFileSync(join(directory, 'machine-id'), `${uuid.replaceAll('-', '')}\n`)
  writeFileSync(join(directory, 'hosts'), lines(['127.0.0.1 localhost', ...namesOf(count)]))
  writeFileSync(join(directory, 'etc/libvirtd.conf'), lines(libvirtdConf(uuid)))
  writeFileSync(join(directory, 'etc/qemu.conf'), lines(qemuConf(addressOf(number))))
  if (number === 1) fillCapabilitiesCache(join(directory, 'cache')) // the others' follows when this one is up
}

const namesOf = (count: number): string[] =>
  Array.from({ length: count }, (_, i) => `${addressOf(i + 1)} ${nameOf(i + 1)}`)

function libvirtdConf(uuid: string): string[] {
  return [
    // libvirt refuses to migrate between hosts of the same id.
    `host_uuid = "${uuid}"`,
    'auth_unix_rw = "none"',
    // No password: only the hosts of this lab reach these ports. With TLS they know each other by their certificates.
    'listen_tcp = 1',
    'auth_tcp = "none"',
    'listen_tls = 1',
    'auth_tls = "none"',
    `ca_file = "${pkiDirectory}/cacert.pem"`,
    `cert_file = "${pkiDirectory}/servercert.pem"`,
    `key_file = "${pkiDirectory}/serverkey.pem"`,
    // Migrations hold a worker and a request for as long as they last.
    'max_workers = 40',
    'max_client_requests = 40',
    'log_outputs = "3:file:/var/log/libvirt/libvirtd.log"',
  ]
}

function qemuConf(address: string): string[] {
  return [
    // As root, and without keeping owners in extended attributes: disks may then be anywhere, shared or not.
    'user = "root"',
    'group = "root"',
    'dynamic_ownership = 0',
    'remember_owner = 0',
    'security_driver = "none"',
    'namespaces = [ ]',
    `migration_host = "${address}"`,
    `migration_address = "${address}"`,
    `migrate_tls_x509_cert_dir = "${pkiDirectory}"`,
    'migrate_tls_x509_verify = 1',
    'migration_port_min = 49152',
    'migration_port_max = 49215',
  ]
}

const lines = (list: string[]): string => list.map((line) => `${line}\n`).join('')

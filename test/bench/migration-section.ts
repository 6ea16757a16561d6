/**
 * The same guest moved alive by Lodge and by a bare `virsh migrate`, taking turns between two hosts of one lab, with its
 * disk sent along and with its disk shared. The bare side does what somebody would do by hand: the same domain, the same
 * overlay made at the destination, the same flags. Downtimes are what QEMU has told libvirt of both.
 */
import { randomUUID } from 'node:crypto'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError } from '../../src/base/errors.ts'
import { lodgeMetadataNamespace } from '../../src/hypervisor/lodge-metadata.ts'
import type { Lab, LabHost } from '../../src/lab/lab.ts'
import { startCloud } from '../../src/lab/start-cloud.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'
import { sampleOf, timed } from './measure.ts'
import type { Row } from './row.ts'

const rounds = Number(process.env['LODGE_BENCH_ROUNDS'] ?? 20)
/** Something on a machine comes every few seconds: without pauses by chance it would meet one side for many rounds. */
const longestPauseMs = 1500
const lookEveryMs = 25

export async function migrationSection(): Promise<Row[]> {
  return [...(await measureOn(false)), ...(await measureOn(true))]
}

async function measureOn(sharedStorage: boolean): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-bench-'))
  const lab = await startLab({ hosts: 2, directory: join(directory, 'lab') })
  try {
    const cloud = await startCloud(lab, { sharedStorage })
    const lodge = await createServer(lab, await login(cloud.cloudsFile, cloud.url), directory)
    const bare = await makeBare(lab, lodge, sharedStorage ? join(directory, 'bare') : null)
    const times: Record<'lodge' | 'bare', Hop[]> = { lodge: [], bare: [] }
    // The first of each fills the caches at the destination, and counts for neither.
    for (let round = -1; round < rounds; round++) {
      const hops = { bare: await afterPause(bare), lodge: await afterPause(lodge) }
      if (round < 0) continue
      times.bare.push(hops.bare)
      times.lodge.push(hops.lodge)
    }
    const how = sharedStorage ? 'shared disk' : 'disk sent along'
    return [
      row(`live migration, ${how}`, times, 'totalMs', 1.15),
      row(`its downtime, ${how}`, times, 'downtimeMs', 1.2),
    ]
  } finally {
    await lab.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

async function afterPause(hopper: Hopper): Promise<Hop> {
  await delay(Math.random() * longestPauseMs)
  return hopper.hop()
}

interface Hop {
  totalMs: number
  downtimeMs: number
}

/** A guest that is moved to the other host, again and again. */
interface Hopper {
  hop(): Promise<Hop>
}

interface LodgeServer extends Hopper {
  id: string
  /** The first host that it was on. */
  host: LabHost
}

async function createServer(lab: Lab, api: OpenStackApi, directory: string): Promise<LodgeServer> {
  const image = await buildGuestImage({ directory: join(directory, 'images') })
  const wanted = { name: 'guest', disk_format: 'qcow2', container_format: 'bare' }
  const imageRef: string = (await api.must('POST', '/image/v2/images', wanted)).body.id
  await api.must('PUT', `/image/v2/images/${imageRef}/file`, readFileSync(image.path))
  const flavor = { name: 'bench', vcpus: 1, ram: 128, disk: 1 }
  const flavorRef: string = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  const server = { name: 'one', imageRef, flavorRef, networks: 'none', availability_zone: 'nova:host1' }
  const id: string = (await api.must('POST', '/compute/v2.1/servers', { server })).body.server.id

  const path = `/compute/v2.1/servers/${id}`
  const reach = (host: string): Promise<unknown> =>
    until(
      `the server to be on ${host}`,
      120_000,
      async () => {
        const { server: shown } = (await api.must('GET', path)).body
        if (shown.status === 'ERROR') throw new LodgeError('internal', JSON.stringify(shown.fault))
        return shown.status === 'ACTIVE' && shown['OS-EXT-SRV-ATTR:host'] === host
      },
      // Who looks more often takes the processor from the guest that is moved.
      lookEveryMs,
    )
  await reach('host1')
  const output = async (): Promise<string> =>
    (await api.must('POST', `${path}/action`, { 'os-getConsoleOutput': {} })).body.output
  await until('its guest to be up', 120_000, async () => (await output()).includes('login:'), 500)

  let at = lab.hosts[0]!
  return {
    id,
    host: at,
    async hop() {
      const to = otherOf(lab, at)
      const totalMs = await timed(async () => {
        const asked = { host: to.name, block_migration: 'auto' }
        await api.must('POST', `${path}/action`, { 'os-migrateLive': asked })
        await reach(to.name)
      })
      at = to
      return { totalMs, downtimeMs: await downtimeOf(to, id) }
    },
  }
}

/**
 * A domain like the server's, made by hand beside it.
 * @param shared the directory for its disk that both hosts see; null: each has one of its own
 */
async function makeBare(lab: Lab, { id, host }: LodgeServer, shared: string | null): Promise<Hopper> {
  const xml = (await host.exec(['virsh', 'dumpxml', '--inactive', '--security-info', id])).stdout
  const disk = /<source file='([^']+\/disk)'/.exec(xml)?.[1]
  if (disk === undefined) throw new LodgeError('internal', 'The server has no disk')
  const info = await host.exec(['qemu-img', 'info', '-U', '--output=json', disk])
  const base = join(dirname(lab.directory), 'bare-base')
  const backing: string = JSON.parse(info.stdout)['full-backing-filename']
  await host.exec(['cp', backing, base])

  const uuid = randomUUID()
  const own = shared ?? '/var/lib/libvirt/bare'
  // As a host's own directory is seen from here.
  const outside = (of: LabHost): string => shared ?? join(of.directory, 'lib/bare')
  for (const of of lab.hosts) mkdirSync(outside(of), { recursive: true })
  const makeDisk = (on: LabHost): Promise<unknown> =>
    on.exec(['qemu-img', 'create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', join(own, 'disk'), '1G'])

  let at = host
  const name = 'bare'
  const ownXml = xml
    .replaceAll(backing, base)
    .replaceAll(dirname(disk), own)
    .replaceAll(id, uuid)
    .replace(/<name>[^<]*</, `<name>${name}<`)
  writeFileSync(join(at.directory, 'run/bare.xml'), ownXml)
  await makeDisk(at)
  await at.exec(['virsh', '-q', 'define', '/run/bare.xml'])
  // It is none of Lodge's.
  await at.exec(['virsh', '-q', 'metadata', name, '--uri', lodgeMetadataNamespace, '--remove', '--config'])
  await at.exec(['virsh', '-q', 'start', name])
  const log = join(outside(at), 'console.log')
  await until('the bare guest to be up', 120_000, () => readFileSync(log, 'utf8').includes('login:'), 500)

  const storage = shared === null ? ['--copy-storage-inc', '--migrate-disks', 'vda'] : ['--unsafe']
  const flags = ['--live', '--p2p', '--persistent', '--undefinesource', '--auto-converge', ...storage]
  return {
    async hop() {
      const to = otherOf(lab, at)
      const where = [`qemu+tcp://${to.address}/system`, '--migrateuri', `tcp://${to.address}`]
      const totalMs = await timed(async () => {
        if (shared === null) await makeDisk(to)
        await at.exec(['virsh', '-q', 'migrate', name, ...where, ...flags])
      })
      at = to
      return { totalMs, downtimeMs: await downtimeOf(to, name) }
    },
  }
}

const otherOf = (lab: Lab, host: LabHost): LabHost => lab.hosts.find((one) => one !== host)!

/** Of the migration by which the guest came to the host, as QEMU measured it. Lets things settle first. */
async function downtimeOf(host: LabHost, domain: string): Promise<number> {
  await delay(500)
  const words = ['virsh', 'domjobinfo', domain, '--completed', '--keep-completed']
  return Number(/Total downtime: +(\d+)/.exec((await host.exec(words)).stdout)?.[1] ?? NaN)
}

function row(what: string, times: Record<'lodge' | 'bare', Hop[]>, of: keyof Hop, most: number): Row {
  const median = (hops: Hop[]): number => sampleOf(hops.map((hop) => hop[of])).median
  return {
    what,
    raw: median(times.bare),
    lodge: median(times.lodge),
    unit: 'ms',
    promise: { kind: 'ratio at most', value: most },
    count: rounds,
  }
}

/** A bed for tests with real guests: a private libvirtd, a running Lodge, the guest's image and a flavor in it. */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execPath } from 'node:process'
import type { PartialConfig } from '../../src/base/config-schema.ts'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { freePort } from './free-port.ts'
import { startLodge, type LodgeProcess, type LodgeProcessOptions } from './lodge-process.ts'
import { login, type OpenStackApi } from './openstack-api.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from './private-libvirtd.ts'
import { until } from './until.ts'

export interface Bed {
  readonly directory: string
  readonly state: string
  readonly libvirtd: PrivateLibvirtd
  lodge: LodgeProcess
  api: OpenStackApi
  /** Of the guest's image and of a flavor that fits it. */
  readonly imageId: string
  readonly flavorId: string
  /** Starts Lodge again on the same state and port. */
  restartLodge(): Promise<void>
  /** Runs `lodge doctor`; returns what it printed. */
  doctor(): { status: number | null; output: string }
  /** Asks for a server; returns its id. */
  create(name: string, more?: object): Promise<string>
  /** Waits until the server has one of these statuses, and returns it as the API shows it. */
  reach(id: string, statuses: string[], milliseconds?: number): Promise<Record<string, unknown>>
  remove(): Promise<void>
}

const main = join(import.meta.dirname, '../../src/main.ts')

/** Makes one; `settings` go into Lodge's settings file. Everything is gone after `remove()`. */
export async function makeBed(
  settings: PartialConfig = {},
  process: Pick<LodgeProcessOptions, 'nodeFlags' | 'env'> = {},
): Promise<Bed> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-bed-'))
  const state = join(directory, 'state')
  const libvirtd = await startPrivateLibvirtd({ dir: directory })
  const settingsFile = join(directory, 'lodge.json')
  writeFileSync(settingsFile, JSON.stringify(settings))
  const port = await freePort()
  const start = () =>
    startLodge({ ...process, state, port, flags: ['--libvirt-uri', libvirtd.uri, '--config', settingsFile] })

  const lodge = await start()
  const api = await login(lodge.cloudsFile, lodge.url)
  const image = await buildGuestImage({ directory })
  const imageId = await uploadImage(api, image.path)
  const flavor = { name: 'tiny', vcpus: 1, ram: 128, disk: 1 }
  const flavorId = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
  await api.must('PUT', `/compute/v2.1/os-quota-sets/${api.projectId}`, {
    quota_set: { instances: -1, cores: -1, ram: -1 },
  })

  const bed: Bed = {
    directory,
    state,
    libvirtd,
    lodge,
    api,
    imageId,
    flavorId,
    restartLodge: async () => {
      bed.lodge = await start()
    },
    doctor: () => {
      const words = [main, 'doctor', '--state', state, '--libvirt-uri', libvirtd.uri]
      const { status, stdout, stderr } = spawnSync(execPath, words, {
        encoding: 'utf8',
        timeout: 60_000,
      })
      return { status, output: stdout + stderr }
    },
    create: async (name, more = {}) => {
      const server = { name, imageRef: imageId, flavorRef: flavorId, networks: 'none', ...more }
      return (await bed.api.must('POST', '/compute/v2.1/servers', { server })).body.server.id
    },
    reach: (id, statuses, milliseconds = 120_000) =>
      until(`server ${id} to become ${statuses.join(' or ')}`, milliseconds, async () => {
        const { body } = await bed.api.must('GET', `/compute/v2.1/servers/${id}`)
        return statuses.includes(body.server.status) ? body.server : undefined
      }),
    remove: async () => {
      await bed.lodge.stop()
      await libvirtd.stop()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return bed
}

async function uploadImage(api: OpenStackApi, path: string): Promise<string> {
  const wanted = { name: 'guest', disk_format: 'qcow2', container_format: 'bare', visibility: 'public' }
  const { id } = (await api.must('POST', '/image/v2/images', wanted)).body
  await api.must('PUT', `/image/v2/images/${id}/file`, readFileSync(path))
  return id
}

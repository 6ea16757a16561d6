/** What Tempest is run against: a Lodge with two images and two flavors, its compute answers checked on the way. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startCloud as startLabCloud } from '../../../src/lab/start-cloud.ts'
import { startLab } from '../../../src/lab/start-lab.ts'
import { buildGuestImage } from '../../guest/build-guest-image.ts'
import { freePort } from '../../support/free-port.ts'
import { startLodge } from '../../support/lodge-process.ts'
import { login, readPassword, type OpenStackApi } from '../../support/openstack-api.ts'
import { startPrivateLibvirtd } from '../../support/private-libvirtd.ts'
import { proxyIsThere, startCheckingProxy, type CheckingProxy } from '../checking-proxy.ts'

export interface Cloud {
  /** Root of the API. */
  readonly url: string
  readonly adminPassword: string
  readonly imageIds: [string, string]
  /** The second is the bigger. */
  readonly flavorIds: [string, string]
  /** How many hosts servers can be on. */
  readonly hosts: number
  /** Absent where the reference material does not lie beside the checkout. */
  readonly proxy: CheckingProxy | undefined
  stop(): Promise<void>
}

/** One real host in `lodge up`, simulated hosts, or a fleet in a lab. */
export type Hosts = { kind: 'libvirt' | 'simulated' | 'lab'; count: number }

/** Things to undo, last first. */
type Undo = (() => Promise<unknown>)[]

/** `directory` is the caller's, who removes it. */
export async function startCloud(directory: string, hosts: Hosts): Promise<Cloud> {
  const undo: Undo = []
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step; step = undo.pop()) await step()
  }
  try {
    const port = await freePort()
    const proxy = proxyIsThere ? await startCheckingProxy(port) : undefined
    if (proxy) undo.push(() => proxy.finish())
    const start = hosts.kind === 'lab' ? startFleet : startOne
    const { url, cloudsFile } = await start({ directory, hosts, port, computeUrl: proxy?.computeUrl, undo })
    const api = await login(cloudsFile, url)
    return {
      url,
      adminPassword: readPassword(cloudsFile),
      imageIds: [await upload(api, directory, 'qcow2'), await upload(api, directory, 'raw')],
      flavorIds: [await makeFlavor(api, 128), await makeFlavor(api, 160)],
      hosts: hosts.count,
      proxy,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

interface Start {
  directory: string
  hosts: Hosts
  port: number
  computeUrl: string | undefined
  undo: Undo
}

/** Tempest stops and reboots guests that have not come up yet and do not hear the power button. */
const agent = { shutdownTimeoutSeconds: 10, shutdownRetrySeconds: 2, softRebootTimeoutSeconds: 15 }

async function startOne({ directory, hosts, port, computeUrl, undo }: Start) {
  const settingsFile = join(directory, 'lodge.json')
  writeFileSync(settingsFile, JSON.stringify({ publicUrls: { compute: computeUrl ?? null }, agent }))
  const flags = ['--config', settingsFile]
  if (hosts.kind === 'simulated') flags.push('--simulate', String(hosts.count))
  else {
    const libvirtd = await startPrivateLibvirtd({ dir: directory })
    undo.push(() => libvirtd.stop())
    flags.push('--libvirt-uri', libvirtd.uri)
  }
  const lodge = await startLodge({ state: join(directory, 'state'), port, flags })
  undo.push(() => lodge.stop())
  return lodge
}

async function startFleet({ directory, hosts, port, computeUrl, undo }: Start) {
  const lab = await startLab({ hosts: hosts.count, directory: join(directory, 'lab') })
  undo.push(() => lab.stop())
  return startLabCloud(lab, { port, computeUrl, agent })
}

/** Two formats, so that Tempest's second image is no copy of the first. */
async function upload(api: OpenStackApi, directory: string, format: 'qcow2' | 'raw'): Promise<string> {
  const { path } = await buildGuestImage({ directory, format })
  const wanted = {
    name: `guest-${format}`,
    disk_format: format,
    container_format: 'bare',
    visibility: 'public',
  }
  const { id } = (await api.must('POST', '/image/v2/images', wanted)).body
  await api.must('PUT', `/image/v2/images/${id}/file`, readFileSync(path))
  return id
}

async function makeFlavor(api: OpenStackApi, ram: number): Promise<string> {
  const flavor = { name: `m${ram}`, vcpus: 1, ram, disk: 1 }
  return (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor.id
}

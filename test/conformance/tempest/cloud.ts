/** What Tempest is run against: a Lodge with two images and two flavors, its compute answers checked on the way. */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { PartialConfig } from '../../../src/base/config-schema.ts'
import { buildGuestImage } from '../../guest/build-guest-image.ts'
import { freePort } from '../../support/free-port.ts'
import { startLodge, type LodgeProcess } from '../../support/lodge-process.ts'
import { login, readPassword, type OpenStackApi } from '../../support/openstack-api.ts'
import { startPrivateLibvirtd } from '../../support/private-libvirtd.ts'
import { proxyIsThere, startCheckingProxy, type CheckingProxy } from '../checking-proxy.ts'

export interface Cloud {
  readonly lodge: LodgeProcess
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

export interface CloudOptions {
  /** Of the caller, who removes it. */
  directory: string
  /** Hosts of the simulated hypervisor; 0: the real one, in a libvirtd of its own. */
  simulate: number
}

export async function startCloud({ directory, simulate }: CloudOptions): Promise<Cloud> {
  const undo: (() => Promise<unknown>)[] = []
  const stop = async (): Promise<void> => {
    for (let step = undo.pop(); step; step = undo.pop()) await step()
  }
  try {
    const port = await freePort()
    const proxy = proxyIsThere ? await startCheckingProxy(port) : undefined
    if (proxy) undo.push(() => proxy.finish())
    const settingsFile = join(directory, 'lodge.json')
    writeFileSync(settingsFile, JSON.stringify(settings(proxy)))
    const flags = ['--config', settingsFile]
    if (simulate > 0) flags.push('--simulate', String(simulate))
    else {
      const libvirtd = await startPrivateLibvirtd({ dir: directory })
      undo.push(() => libvirtd.stop())
      flags.push('--libvirt-uri', libvirtd.uri)
    }
    const lodge = await startLodge({ state: join(directory, 'state'), port, flags })
    undo.push(() => lodge.stop())
    const api = await login(lodge.cloudsFile, lodge.url)
    return {
      lodge,
      adminPassword: readPassword(lodge.cloudsFile),
      imageIds: [await upload(api, directory, 'qcow2'), await upload(api, directory, 'raw')],
      flavorIds: [await makeFlavor(api, 128), await makeFlavor(api, 160)],
      hosts: Math.max(1, simulate),
      proxy,
      stop,
    }
  } catch (error) {
    await stop()
    throw error
  }
}

const settings = (proxy: CheckingProxy | undefined): PartialConfig => ({
  publicUrls: proxy ? { compute: proxy.computeUrl } : {},
  // Tempest stops and reboots guests that have not come up yet and do not hear the power button.
  agent: { shutdownTimeoutSeconds: 10, shutdownRetrySeconds: 2, softRebootTimeoutSeconds: 15 },
})

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

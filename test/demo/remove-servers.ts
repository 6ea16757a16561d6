import type { OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'
import { virsh } from './find-libvirt.ts'

/** Deletes every server of the demo's Lodge through its API, also those that its user made meanwhile. */
export async function removeServers(api: OpenStackApi): Promise<void> {
  const list = async (): Promise<{ id: string }[]> =>
    (await api.must('GET', '/compute/v2.1/servers?all_tenants=1')).body.servers
  for (const { id } of await list()) await api.call('DELETE', `/compute/v2.1/servers/${id}`)
  await until('the servers to be gone', 60_000, async () => (await list()).length === 0)
}

/**
 * Ends the domains whose files lie in `directory`: what a Lodge that failed left in a libvirt that is not ours to
 * stop.
 */
export async function removeDomains(uri: string, directory: string): Promise<void> {
  const ids = (await virsh(uri, 'list', '--all', '--uuid')).split('\n').filter(Boolean)
  for (const id of ids) {
    const xml = await virsh(uri, 'dumpxml', id).catch(() => '')
    if (!xml.includes(`${directory}/`)) continue
    // A transient domain is gone once destroyed, and one that is off cannot be destroyed: either may refuse.
    await virsh(uri, 'destroy', id).catch(() => {})
    await virsh(uri, 'undefine', id, '--managed-save', '--nvram', '--snapshots-metadata').catch(() => {})
  }
}

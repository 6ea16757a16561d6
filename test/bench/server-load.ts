/** A load of creates over HTTP, as the sections of servers a second make it. */
import { setTimeout as delay } from 'node:timers/promises'
import type { OpenStackApi } from '../support/openstack-api.ts'

/** Clients that create at the same time, each waiting for its answer. */
const clients = 16

/** Makes an image and a flavor, lifts the quota, and returns what the body of a create has of them. */
export async function prepareLoad(api: OpenStackApi): Promise<object> {
  const wanted = { name: 'blank', disk_format: 'raw', container_format: 'bare' }
  const image = (await api.must('POST', '/image/v2/images', wanted)).body
  await api.must('PUT', `/image/v2/images/${image.id}/file`, new Uint8Array(1 << 20))
  const flavor = { name: 'small', vcpus: 1, ram: 512, disk: 1 }
  const { id } = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor
  const unlimited = { instances: -1, cores: -1, ram: -1 }
  await api.must('PUT', `/compute/v2.1/os-quota-sets/${api.projectId}`, { quota_set: unlimited })
  return { imageRef: image.id, flavorRef: id, networks: 'none' }
}

/**
 * Creates `count` servers, one request each, and waits until all are ACTIVE.
 * @throws RangeError when one of them ended in ERROR
 */
export async function createMany(api: OpenStackApi, template: object, count: number): Promise<void> {
  let next = 0
  const client = async (): Promise<void> => {
    while (next < count)
      await api.must('POST', '/compute/v2.1/servers', { server: { ...template, name: `bench-${next++}` } })
  }
  await Promise.all(Array.from({ length: clients }, client))
  for (;;) {
    const { body } = await api.must('GET', '/compute/v2.1/servers?status=BUILD&limit=1')
    if (body.servers.length === 0) break
    await delay(20)
  }
  const { body } = await api.must('GET', '/compute/v2.1/servers?status=ERROR&limit=1')
  if (body.servers.length > 0) throw new RangeError('a server ended in ERROR')
}

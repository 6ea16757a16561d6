/** The controller alone, over a hundred simulated hosts: servers a second to ACTIVE, and reads. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { freePort } from '../support/free-port.ts'
import { startLodge } from '../support/lodge-process.ts'
import { login, type OpenStackApi } from '../support/openstack-api.ts'
import { measure, timed } from './measure.ts'
import type { Row } from './row.ts'

const hosts = 100
const servers = 3000
/** Clients that create at the same time, each waiting for its answer. */
const clients = 16

export async function apiSection(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-bench-'))
  const lodge = await startLodge({
    state: join(directory, 'state'),
    port: await freePort(),
    flags: ['--simulate', String(hosts), '--log-level', 'warn'],
  })
  try {
    const api = await login(lodge.cloudsFile, lodge.url)
    const template = await prepare(api)
    await createMany(api, template, 200)

    const milliseconds = await timed(() => createMany(api, template, servers))
    const { id } = (await api.must('GET', '/compute/v2.1/servers?limit=1')).body.servers[0]
    const one = await measure(500, async () => void (await api.must('GET', `/compute/v2.1/servers/${id}`)))
    const detail = await measure(30, async () => {
      const { body } = await api.must('GET', '/compute/v2.1/servers/detail?limit=1000')
      if (body.servers.length !== 1000)
        throw new RangeError(`${body.servers.length} servers in a page of 1000`)
    })
    return [
      row(
        'servers to ACTIVE, 100 simulated hosts',
        (servers / milliseconds) * 1000,
        '/s',
        'at least',
        200,
        servers,
      ),
      row('GET one server', one.median, 'ms', 'at most', 3, one.count),
      row('GET servers/detail?limit=1000', detail.median, 'ms', 'at most', 80, detail.count),
    ]
  } finally {
    await lodge.stop()
    rmSync(directory, { recursive: true, force: true })
  }
}

function row(
  what: string,
  lodge: number,
  unit: Row['unit'],
  kind: 'at most' | 'at least',
  value: number,
  count: number,
): Row {
  return { what, raw: null, lodge, unit, promise: { kind, value }, count }
}

async function prepare(api: OpenStackApi): Promise<object> {
  const wanted = { name: 'blank', disk_format: 'raw', container_format: 'bare' }
  const image = (await api.must('POST', '/image/v2/images', wanted)).body
  await api.must('PUT', `/image/v2/images/${image.id}/file`, new Uint8Array(1 << 20))
  const flavor = { name: 'small', vcpus: 1, ram: 512, disk: 1 }
  const { id } = (await api.must('POST', '/compute/v2.1/flavors', { flavor })).body.flavor
  const unlimited = { instances: -1, cores: -1, ram: -1 }
  await api.must('PUT', `/compute/v2.1/os-quota-sets/${api.projectId}`, { quota_set: unlimited })
  return { imageRef: image.id, flavorRef: id, networks: 'none' }
}

/** Creates `count` servers, one request each, and waits until all are ACTIVE. */
async function createMany(api: OpenStackApi, template: object, count: number): Promise<void> {
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

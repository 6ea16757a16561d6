/** The controller alone, over a hundred simulated hosts: servers a second to ACTIVE, and reads. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { startLodge } from '../support/lodge-process.ts'
import { login } from '../support/openstack-api.ts'
import { measure, timed } from './measure.ts'
import type { Row } from './row.ts'
import { createMany, prepareLoad } from './server-load.ts'

const hosts = 100
const servers = 3000

export async function apiSection(): Promise<Row[]> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-bench-'))
  const lodge = await startLodge({
    state: join(directory, 'state'),
    port: await freePort(),
    flags: ['--simulate', String(hosts), '--log-level', 'warn'],
  })
  try {
    const api = await login(lodge.cloudsFile, lodge.url)
    const template = await prepareLoad(api)
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

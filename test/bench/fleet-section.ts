/**
 * A fleet of simulated hosts on one controller: `lodge controller`, nats-server, PostgreSQL that waits for its disk,
 * and `lodge agent --simulate N`, each a process of its own on this machine. What heartbeats cost, how many servers a
 * second become ACTIVE, how long lists take, and how long starts do; for a hundredth and a tenth of the hosts first.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { startFleetProcesses, type FleetProcesses } from '../support/fleet-processes.ts'
import type { OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'
import { measure, timed } from './measure.ts'
import { memoryMiB, processorTime, processorTimeOfFamily } from './processor-time.ts'
import type { Row } from './row.ts'
import { createMany, prepareLoad } from './server-load.ts'

/** Three intervals of the agents' reports, and one of the controller's writes of what hosts say. */
const idleMilliseconds = 60_000
const serversAtMost = 2000
/** So that all have room. */
const serversForEachHost = 20
const pageSize = 1000
const upWithinMs = 300_000

export async function fleetSection({ hosts = 10_000 }: { hosts?: number } = {}): Promise<Row[]> {
  const sizes = [...new Set([hosts / 100, hosts / 10, hosts].map((count) => Math.max(1, Math.round(count))))]
  const rows: Row[] = []
  for (const size of sizes) {
    console.error(`bench: fleet: ${size} hosts`)
    rows.push(...(await fleetOf(size)))
  }
  return rows
}

async function fleetOf(hosts: number): Promise<Row[]> {
  const among = `${hosts.toLocaleString('en')} hosts`
  const fleet = await startFleetProcesses({
    hosts,
    controller: { log: { level: 'warn', format: 'json' } },
    agents: { log: { level: 'warn', format: 'json' } },
  })
  try {
    const start = await measureStart(fleet, hosts)
    const template = await prepareLoad(fleet.api)
    const servers = Math.min(serversAtMost, hosts * serversForEachHost)
    await createMany(fleet.api, template, Math.ceil(servers / 20))
    const { shares: idle } = await over(fleet, () => delay(idleMilliseconds))
    const load = await over(fleet, () => createMany(fleet.api, template, servers))
    const forEach = (part: Part): number => load.spent[part] / servers
    const lists = await measureLists(fleet.api, hosts)
    const memory = {
      controller: memoryMiB(fleet.pids.controller!),
      agents: memoryMiB(fleet.pids.agents!),
    }
    const again = await measureRestart(fleet, hosts, template)
    return [
      row(`heartbeats of ${among}: controller`, idle.controller, '%', { kind: 'at most', value: 50 }),
      row('the same: nats-server', idle.nats, '%'),
      row('the same: PostgreSQL', idle.postgres, '%'),
      row('the same: the agents, all in one process', idle.agents, '%'),
      row(
        `servers to ACTIVE among ${among}`,
        (servers / load.milliseconds) * 1000,
        '/s',
        { kind: 'at least', value: 100 },
        servers,
      ),
      row("the same: processor's time for each, controller", forEach('controller'), 'ms', null, servers),
      row('the same: nats-server', forEach('nats'), 'ms', null, servers),
      row('the same: PostgreSQL', forEach('postgres'), 'ms', null, servers),
      row('the same: the agents', forEach('agents'), 'ms', null, servers),
      row(`start of ${among}, until all are up`, start.milliseconds, 'ms'),
      row('the same, of it in the controller', start.controller, 'ms'),
      row('the same, of it in the agents', start.agents, 'ms'),
      row(`memory of the controller with ${among}`, memory.controller, 'MiB'),
      row('memory of a simulated host', memory.agents / hosts, 'MiB'),
      row(`GET os-hypervisors/detail?limit=${pageSize} of ${among}`, lists.page, 'ms', null, 10),
      row(`GET os-hypervisors/detail, ${among} by pages`, lists.pages, 'ms', null, 3),
      row(`GET os-services, ${among}`, lists.services, 'ms', null, 5),
      row(`restart of the controller of ${among}, until its API answers`, again.answers, 'ms'),
      row('the same, until a server that was asked for then is ACTIVE', again.active, 'ms'),
    ]
  } finally {
    await fleet.stop()
  }
}

function row(what: string, lodge: number, unit: Row['unit'], promise: Row['promise'] = null, count = 1): Row {
  return { what, raw: null, lodge, unit, promise, count }
}

/** From the start of the agents' process until the API shows every host as up; and what it took of the processor. */
async function measureStart(fleet: FleetProcesses, hosts: number) {
  const before = processorTime(fleet.pids.controller!)
  const milliseconds = await timed(async () => {
    const started = fleet.startAgents()
    started.catch(() => {})
    // Not too often: the answer names every host.
    await until(`${hosts} hosts to be up`, upWithinMs, async () => (await countUp(fleet.api)) === hosts, 500)
    await started
  })
  return {
    milliseconds,
    controller: processorTime(fleet.pids.controller!) - before,
    agents: processorTime(fleet.pids.agents!),
  }
}

async function countUp(api: OpenStackApi): Promise<number> {
  const { body } = await api.must('GET', '/compute/v2.1/os-services?binary=nova-compute')
  return body.services.filter(({ state }: { state: string }) => state === 'up').length
}

type Part = 'controller' | 'agents' | 'nats' | 'postgres'

/** What the parts take of the processor while `work` is done: milliseconds, and percent of one core. */
async function over({ pids, nats, postgres }: FleetProcesses, work: () => Promise<void>) {
  const now = (): Record<Part, number> => ({
    controller: processorTime(pids.controller!),
    agents: processorTime(pids.agents!),
    nats: processorTime(nats.pid!),
    postgres: processorTimeOfFamily(postgres.pid!),
  })
  const before = now()
  const milliseconds = await timed(work)
  const after = now()
  const spent = { ...after }
  const shares = { ...after }
  for (const part of Object.keys(after) as Part[]) {
    spent[part] = after[part] - before[part]
    shares[part] = (spent[part] / milliseconds) * 100
  }
  return { milliseconds, spent, shares }
}

/** Medians of a page, of all pages one after another, and of the services, which Nova's API does not page. */
async function measureLists(api: OpenStackApi, hosts: number) {
  const path = `/compute/v2.1/os-hypervisors/detail?limit=${pageSize}`
  const page = await measure(10, async () => {
    const { body } = await api.must('GET', path)
    expectCount(body.hypervisors, Math.min(pageSize, hosts))
  })
  const pages = await measure(3, async () => {
    const all: unknown[] = []
    for (let next = path; ;) {
      const { body } = await api.must('GET', next)
      all.push(...body.hypervisors)
      const link = body.hypervisors_links?.[0]?.href as string | undefined
      if (link === undefined) break
      next = link.slice(link.indexOf('/compute/'))
    }
    expectCount(all, hosts)
  })
  const services = await measure(5, async () => {
    if ((await countUp(api)) !== hosts) throw new RangeError('a host is down')
  })
  return { page: page.median, pages: pages.median, services: services.median }
}

function expectCount(found: unknown[], count: number): void {
  if (found.length !== count) throw new RangeError(`${found.length} hypervisors of ${count}`)
}

/** The controller is killed and started again over what it left, its hosts running on. */
async function measureRestart(fleet: FleetProcesses, hosts: number, template: object) {
  await fleet.stopController('SIGKILL')
  const begin = performance.now()
  await fleet.startController()
  const answers = performance.now() - begin
  await createMany(fleet.api, template, 1)
  const active = performance.now() - begin
  await until('all hosts to be up again', upWithinMs, async () => (await countUp(fleet.api)) === hosts)
  return { answers, active }
}

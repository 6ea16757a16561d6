/**
 * A part of the fleet dies, or its cable is out, at a phase of a live migration; then it is back. For each phase and each
 * victim: the guest never ran in two places, is in one now with one disk, and its server can do everything.
 *
 *   LODGE_FAULTS=memory/,/nats node --test test/faults/live-migration-faults.test.ts    cells whose names have one in them
 *   LODGE_FAULT_LABS=1                                                                  labs at once; 3 if not said
 */
import assert from 'node:assert/strict'
import { after, before, describe, it, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { LabHost, LabService } from '../../src/lab/lab.ts'
import { domainOn, downAfterSeconds, startFaultLab, type FaultLab } from '../support/fault-lab.ts'
import { watchGuest } from '../support/guest-watch.ts'
import { until } from '../support/until.ts'

/** From the moment at which what broke is back: all is in order again without anybody's help. */
const settleMs = 90_000
/** How long a host is away, or its cable out: long enough for it to count as down. */
const outageMs = (downAfterSeconds + 4) * 1000

interface Cell {
  fleet: FaultLab
  id: string
  source: LabHost
  dest: LabHost
}

/** Brings a migration to where it is to be broken, and holds it there by what is frozen. */
const phases: Record<string, (cell: Cell) => Promise<void>> = {
  /** The destination is claimed and being asked whether it can take the guest. */
  claim: async (cell) => {
    cell.fleet.freeze(cell.dest.service('libvirtd'))
    await begin(cell)
    await atStep(cell, 'compute_check_can_live_migrate_destination')
  },
  /** The destination makes disks for the guest. */
  prepare: async (cell) => {
    const { fleet, source, dest } = cell
    fleet.freeze(source.service('libvirtd'))
    await begin(cell)
    await atStep(cell, 'compute_check_can_live_migrate_source')
    fleet.freeze(dest.service('libvirtd'))
    fleet.thaw(source.service('libvirtd'))
    await atStep(cell, 'compute_pre_live_migration')
  },
  /** The guest runs at the source while its memory is sent. */
  memory: async (cell) => sendMemory(cell),
  /** All memory is there, the guest is halted at the source, and the destination has not yet said that it runs. */
  'switch-over': async (cell) => {
    await sendMemory(cell)
    cell.fleet.freeze(cell.dest.service('libvirtd'))
    await hurry(cell)
    await until(
      'the guest to be halted',
      30_000,
      async () => (await domainOn(cell.source, cell.id)) === 'paused',
    )
    await delay(700)
  },
  /** The guest has left the source; the destination's agent has not said so yet. */
  finish: async (cell) => {
    await sendMemory(cell)
    cell.fleet.freeze(cell.dest.service('service'))
    await hurry(cell)
    await atStep(cell, 'compute_post_live_migration_at_destination')
  },
  /** The server is at the destination; the source still has to clean up. */
  cleanup: async (cell) => {
    const { fleet, id, source, dest } = cell
    await phases['finish']!(cell)
    fleet.freeze(source.service('service'))
    fleet.thaw(dest.service('service'))
    await until('the server to be there', 30_000, async () => (await fleet.server(id)).host === dest.name)
    await delay(200)
  },
}

interface Victim {
  strike(cell: Cell): Promise<void>
  /** What brings it back; a service is started again by itself. */
  restore?(cell: Cell): Promise<void>
}

const killed = (which: (cell: Cell) => LabService): Victim => ({ strike: (cell) => which(cell).kill() })
const crashed = (which: 'source' | 'dest'): Victim => ({
  strike: (cell) => cell[which].kill(),
  restore: (cell) => cell[which].start(),
})
const cut = (which: 'source' | 'dest'): Victim => ({
  strike: (cell) => cell[which].cut(),
  restore: (cell) => cell[which].mend(),
})

const victims: Record<string, Victim> = {
  'dest-host': crashed('dest'),
  'source-host': crashed('source'),
  'dest-link': cut('dest'),
  'source-link': cut('source'),
  'dest-agent': killed(({ dest }) => dest.service('service')),
  'source-agent': killed(({ source }) => source.service('service')),
  'dest-libvirtd': killed(({ dest }) => dest.service('libvirtd')),
  'source-libvirtd': killed(({ source }) => source.service('libvirtd')),
  controller: killed(({ fleet }) => fleet.lab.service('controller')),
  nats: killed(({ fleet }) => fleet.lab.service('nats')),
}

/** Where a guest may be afterwards. A guest dies with the host that it is on, and with no other. */
type Ending = 'runs at source' | 'runs at dest' | 'off at source' | 'off at dest'

function endingsOf(phase: string, victim: string): Ending[] {
  const left = phase === 'finish' || phase === 'cleanup'
  if (victim === 'source-host' && !left && phase !== 'switch-over') return ['off at source']
  if (victim === 'dest-host' && left) return ['off at dest']
  if (left || (victim === 'source-host' && phase === 'switch-over')) return ['runs at dest']
  if (victim === 'dest-host') return ['runs at source']
  return ['runs at source', 'runs at dest']
}

const wanted = (process.env['LODGE_FAULTS'] ?? '').split(',')
const cells = Object.keys(phases)
  .flatMap((phase) => Object.keys(victims).map((victim) => ({ phase, victim, name: `${phase}/${victim}` })))
  .filter(({ name }) => wanted.some((part) => name.includes(part)))
const labs = Math.min(Number(process.env['LODGE_FAULT_LABS'] ?? 3), cells.length)

describe('a fault in a live migration', { timeout: 2_400_000, concurrency: labs }, () => {
  for (let lab = 0; lab < labs; lab += 1)
    describe(`lab ${lab + 1}`, { concurrency: 1 }, () => {
      let fleet: FaultLab
      before(async () => {
        fleet = await startFaultLab()
      })
      after(() => fleet?.stop())
      // Dealt out in turn, so that the long ones of a phase are spread.
      cells.forEach(({ phase, victim, name }, index) => {
        if (index % labs === lab)
          it(name, { timeout: 300_000 }, (t) => runCell(t, fleet, { phase, victim, name }))
      })
    })
})

async function runCell(
  t: TestContext,
  fleet: FaultLab,
  { phase, victim, name }: { phase: string; victim: string; name: string },
): Promise<void> {
  const [source, dest] = fleet.hosts
  const id = await fleet.create(name, { booted: phase !== 'claim' && phase !== 'prepare' })
  const cell: Cell = { fleet, id, source, dest }
  const watch = watchGuest(fleet.lab, id)
  try {
    await phases[phase]!(cell)
    const { strike, restore } = victims[victim]!
    await strike(cell)
    fleet.thaw()
    const hurrying = hurry(cell).catch(() => undefined) // it may not be there any more
    if (restore) {
      await delay(outageMs)
      await restore(cell)
    }
    await hurrying
    const back = performance.now()
    await inOrder(cell)
    const seconds = ((performance.now() - back) / 1000).toFixed(1)
    const ending = await endingOf(cell)
    const { status } = (await fleet.migration(id))!
    t.diagnostic(
      `${name}: ${ending}, migration ${status}, in order after ${seconds} s; ran on ${watch.homes().join()}`,
    )
    assert.deepEqual(watch.violations(), [])
    assert.ok(endingsOf(phase, victim).includes(ending), `it ${ending}`)
    assert.equal(
      status === 'completed',
      ending.endsWith('dest'),
      `a migration that ${status}, and it ${ending}`,
    )
  } finally {
    watch.end()
    fleet.thaw()
  }
  await doEverything(cell)
}

/** Asks for the migration, whose memory is to take a while. */
async function begin({ fleet, id, dest }: Cell): Promise<void> {
  await fleet.act(id, { 'os-migrateLive': { host: dest.name, block_migration: 'auto' } })
}

async function sendMemory(cell: Cell): Promise<void> {
  const { fleet, id, source } = cell
  await source.exec(['virsh', '-q', 'migrate-setspeed', id, '1'])
  await begin(cell)
  await until('memory to be sent', 60_000, async () => {
    const progress = (await fleet.migration(id))?.progress
    return (progress?.memoryProcessedBytes ?? 0) > 1 << 20
  })
}

/** Lets the memory go as fast as it can. */
async function hurry({ id, source }: Cell, from = source): Promise<void> {
  if (!from.isUp()) return
  await until('the speed', 10_000, () =>
    from.exec(['virsh', '-q', 'migrate-setspeed', id, '100000'], { timeout: 5000 }).then(
      () => true,
      () => false,
    ),
  )
}

/** The step's command has come to the agent and is at work. */
async function atStep({ fleet, id }: Cell, event: string): Promise<void> {
  await until(`the step ${event}`, 60_000, async () => (await fleet.openStep(id)) === event)
  await delay(300)
}

async function inOrder({ fleet, id }: Cell): Promise<void> {
  let last: string[] = []
  await until('all to be in order', settleMs, async () => {
    last = await fleet.disagreements(id).catch((error: unknown) => [String(error)])
    return last.length === 0
  }).catch(() => assert.fail(`not in order ${settleMs / 1000} s later: ${last.join('; ')}`))
}

async function endingOf({ fleet, id, source }: Cell): Promise<Ending> {
  const { host, vmState } = await fleet.server(id)
  return `${vmState === 'active' ? 'runs' : 'off'} at ${host === source.name ? 'source' : 'dest'}`
}

/** Every action leads from here: starting or rebooting, moving on, deleting. */
async function doEverything(cell: Cell): Promise<void> {
  const { fleet, id, source, dest } = cell
  const { vmState, host } = await fleet.server(id)
  await fleet.act(id, vmState === 'active' ? { reboot: { type: 'HARD' } } : { 'os-start': null })
  const settled = (what: string, on: string | null): Promise<unknown> =>
    until(what, 60_000, async () => {
      const server = await fleet.server(id)
      assert.notEqual(server.vmState, 'error')
      return server.vmState === 'active' && server.taskState === null && server.host === on
    })
  await settled('it to boot', host)
  const [from, other] = host === source.name ? [source, dest] : [dest, source]
  await hurry(cell, from)
  await fleet.act(id, { 'os-migrateLive': { host: other.name, block_migration: 'auto' } })
  await settled('it to move on', other.name)
  await inOrder(cell)
  await fleet.ask('DELETE', `/servers/${id}`)
  await until('it to be gone', 60_000, async () => (await fleet.server(id)).deletedAt !== null)
  for (const one of [source, dest]) assert.equal(await domainOn(one, id), undefined)
}

/**
 * Hosts, links, agents and the controller fail in each phase of a cold migration, real ones in a lab. Whatever fails: the
 * guest never runs twice, is in one place afterwards with what its disk had, all records agree, and the server can be
 * used, at once or, from ERROR, after a hard reboot.
 */
import assert from 'node:assert/strict'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import type { LabHost, LabService } from '../../src/lab/lab.ts'
import {
  emptyImage,
  namesIn,
  openColdMoves,
  serversOf,
  sizeOf,
  type ColdMoves,
  type ShownServer,
} from '../support/cold-moves.ts'
import { until } from '../support/until.ts'

/** Both ends of the move that is about to fail. */
interface Ends {
  source: LabHost
  dest: LabHost
}

interface Phase {
  name: string
  /** Begins a move and returns in the middle of that phase, which lasts until `release`. */
  begin(ends: Ends): Promise<void>
  release(ends: Ends): void
}

interface FaultKind {
  name: string
  strike(ends: Ends): Promise<void>
  /** After the controller has come to terms with it, or has given up waiting. */
  recover?(ends: Ends): Promise<void>
}

/** On the disk from the start: what a transfer carries, and what must be there in the end. */
const payload = '0x5a 16M 24M'
const bandwidthMiBps = 4

describe('faults of cold migration', { timeout: 1_700_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-cold-'))
  let moves: ColdMoves
  let id: string
  let watch: DoubleWatch

  before(async () => {
    moves = await openColdMoves({ directory, bandwidthMiBps, shutdownTimeoutSeconds: 1 })
    const imageRef = await moves.addImage(emptyImage(directory, '64M'))
    const flavorRef = await moves.addFlavor(64, 1)
    id = await moves.create({ imageRef, flavorRef, host: 'host1' })
    await moves.act(id, { 'os-stop': null })
    await moves.reach(id, 'SHUTOFF')
    await moves.diskIo(id, moves.host('host1'), `write -P ${payload}`)
    await moves.act(id, { 'os-start': null })
    await moves.reach(id, 'ACTIVE')
    watch = watchForDoubles(id)
  })
  after(async () => {
    watch?.stop()
    await moves?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  const task = async (): Promise<string | null> => (await moves.show(id))['OS-EXT-STS:task_state']
  const untilTask = (wanted: string): Promise<unknown> =>
    until(`the task ${wanted}`, 60_000, async () => (await task()) === wanted, 100)

  const migrate = ({ dest }: Ends): Promise<void> => moves.act(id, { migrate: { host: dest.name } })
  const untilTransfer = ({ dest }: Ends): Promise<unknown> =>
    until(
      'a transfer under way',
      60_000,
      () => sizeOf(join(serversOf(dest), `${id}_incoming`, 'disk.part')) > 2 ** 20,
      50,
    )
  const agentOf = (host: LabHost): LabService => host.service('service')

  const phases: Phase[] = [
    {
      // The place is claimed, and the destination asked for its offer.
      name: 'while the destination makes its offer',
      async begin(ends) {
        agentOf(ends.dest).signal('SIGSTOP')
        await migrate(ends)
        await untilTask('resize_prep')
        await delay(500)
      },
      release: ({ dest }) => goOn(agentOf(dest)),
    },
    {
      name: 'while the disk is sent',
      async begin(ends) {
        await migrate(ends)
        await untilTransfer(ends)
      },
      release() {},
    },
    {
      name: 'while the destination defines the guest',
      async begin(ends) {
        await migrate(ends)
        await untilTransfer(ends)
        ends.dest.service('libvirtd').signal('SIGSTOP')
        await untilTask('resize_finish')
        await delay(300)
      },
      release: ({ dest }) => goOn(dest.service('libvirtd')),
    },
    {
      name: 'while it is confirmed',
      async begin(ends) {
        await migrate(ends)
        await moves.reach(id, 'VERIFY_RESIZE', ends.dest.name)
        agentOf(ends.source).signal('SIGSTOP')
        await moves.act(id, { confirmResize: null })
        await delay(500)
      },
      release: ({ source }) => goOn(agentOf(source)),
    },
    {
      name: 'while the destination lets go of what is taken back',
      async begin(ends) {
        await migrate(ends)
        await moves.reach(id, 'VERIFY_RESIZE', ends.dest.name)
        agentOf(ends.dest).signal('SIGSTOP')
        await moves.act(id, { revertResize: null })
        await delay(500)
      },
      release: ({ dest }) => goOn(agentOf(dest)),
    },
    {
      name: 'while it comes back to the source',
      async begin(ends) {
        await migrate(ends)
        await moves.reach(id, 'VERIFY_RESIZE', ends.dest.name)
        ends.source.service('libvirtd').signal('SIGSTOP')
        await moves.act(id, { revertResize: null })
        await until('the destination to have let go', 60_000, () =>
          namesIn(serversOf(ends.dest)).every((name) => !name.startsWith(id)),
        )
        await delay(300)
      },
      release: ({ source }) => goOn(source.service('libvirtd')),
    },
  ]

  const crash = (end: keyof Ends): FaultKind => ({
    name: `the ${end === 'dest' ? 'destination' : 'source'} crashes`,
    strike: (ends) => ends[end].kill(),
    recover: (ends) => ends[end].start(),
  })
  const faults: FaultKind[] = [
    crash('dest'),
    crash('source'),
    {
      name: "the destination's cable is cut",
      strike: ({ dest }) => dest.cut(),
      recover: ({ dest }) => dest.mend(),
    },
    {
      name: "the source's cable is cut",
      strike: ({ source }) => source.cut(),
      recover: ({ source }) => source.mend(),
    },
    { name: "the destination's agent is killed", strike: ({ dest }) => agentOf(dest).kill() },
    { name: "the source's agent is killed", strike: ({ source }) => agentOf(source).kill() },
    { name: 'the controller is killed', strike: () => moves.lab.service('controller').kill() },
  ]

  /** Whether nothing works on the server any more. */
  async function isSettled(): Promise<boolean> {
    // While the controller starts again there is no answer.
    return moves.show(id).then(
      (server) => server['OS-EXT-STS:task_state'] === null,
      () => false,
    )
  }

  async function bothUp(): Promise<boolean> {
    const answer = await moves.api
      .call('GET', '/compute/v2.1/os-services?binary=nova-compute')
      .catch(() => null)
    const services: { state: string }[] = answer?.body?.services ?? []
    return services.length === 2 && services.every(({ state }) => state === 'up')
  }

  /** From what a fault has left, by what anybody would do, to a server that runs in one place. */
  async function makeUsable(): Promise<ShownServer> {
    let server = await moves.show(id)
    if (server['status'] === 'VERIFY_RESIZE') {
      await moves.act(id, { confirmResize: null })
      await until('the confirmation', 90_000, isSettled)
      // Refused where the destination let go of it after all: then it is taken back by itself.
      server = await until('an end of the move', 90_000, async () => {
        const now = await moves.show(id)
        return now['status'] !== 'VERIFY_RESIZE' && now['OS-EXT-STS:task_state'] === null && now
      })
    }
    if (server['status'] === 'ERROR') {
      assert.ok(server['fault']?.message, 'a server in ERROR has a fault')
      await moves.act(id, { reboot: { type: 'HARD' } })
    } else if (server['status'] === 'SHUTOFF') await moves.act(id, { 'os-start': null })
    return moves.reach(id, 'ACTIVE')
  }

  for (const phase of phases)
    for (const fault of faults)
      test(`${fault.name} ${phase.name}`, { timeout: 300_000 }, async (t) => {
        // The case before may have failed.
        await until('both hosts to be up', 90_000, bothUp, 300)
        await until('the server to settle', 60_000, isSettled, 300)
        const { 'OS-EXT-SRV-ATTR:host': name } = await makeUsable()
        const ends = { source: moves.host(name), dest: moves.other(name) }
        await phase.begin(ends)
        await fault.strike(ends)
        if (!fault.recover) phase.release(ends)
        const ended = await until('', fault.recover ? 60_000 : 120_000, isSettled, 300).catch(() => false)
        if (fault.recover) {
          await fault.recover(ends)
          phase.release(ends)
        }
        await until('both hosts to be up', 90_000, bothUp, 300)
        await until('the server to settle', 120_000, isSettled, 300)
        const left = await moves.show(id)
        t.diagnostic(
          `${ended ? '' : 'waited for the host; '}left ${left['status']} at ` +
            `${left['OS-EXT-SRV-ATTR:host'] === ends.source.name ? 'the source' : 'the destination'}: ` +
            `${left['fault']?.message ?? ''}`,
        )
        assert.deepEqual(await moves.violations(), [])
        const server = await makeUsable()
        const at = server['OS-EXT-SRV-ATTR:host'] as string
        await moves.assertOnlyAt(id, at)
        assert.doesNotMatch(await moves.diskIo(id, moves.host(at), `read -P ${payload}`), /failed/i)
        assert.deepEqual(watch.doubles(), [])
      })

  test('and in the end it is deleted without a trace', async () => {
    await moves.api.must('DELETE', `/compute/v2.1/servers/${id}`)
    await until('nothing to be left', 60_000, async () => {
      const places = Object.values(await moves.places(id))
      return places.every(({ domain, directories }) => domain === null && directories.length === 0)
    })
    assert.deepEqual(await moves.violations(), [])
  })
})

/** It may have been killed meanwhile, and run again. */
function goOn(service: LabService): void {
  if (service.pid() !== undefined) service.signal('SIGCONT')
}

interface DoubleWatch {
  /** Each time that more than one QEMU was seen to run the server. */
  doubles(): string[]
  stop(): void
}

/** Looks several times a second at how many QEMUs there are for the server, on whichever host. */
function watchForDoubles(id: string): DoubleWatch {
  const found: string[] = []
  const look = (): void => {
    const qemus = readdirSync('/proc').filter((pid) => /^\d+$/.test(pid) && runs(pid, id))
    if (qemus.length > 1) found.push(`${new Date().toISOString()}: ${qemus.length} QEMUs`)
  }
  const timer = setInterval(look, 250)
  return { doubles: () => found, stop: () => clearInterval(timer) }
}

function runs(pid: string, id: string): boolean {
  try {
    const words = readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0')
    return words[0]!.includes('qemu-system') && words[words.indexOf('-uuid') + 1] === id
  } catch {
    return false // it has just ended
  }
}

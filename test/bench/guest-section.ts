/**
 * A real guest's verbs through Lodge beside the bare libvirt calls that they stand on, taking turns in one run, so
 * that both meet the same weather. The raw side does what somebody would do by hand: the same XML, the same overlay.
 */
import { execFile } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import { VIR_DOMAIN_EVENT_STARTED } from '../../src/libvirt/constants.ts'
import { openLibvirt, type Libvirt } from '../../src/libvirt/libvirt.ts'
import { makeBed, type Bed } from '../support/bed.ts'
import { longestHalt, startIdleLoop, watchedLoop } from './longest-halt.ts'
import { sampleOf, timed } from './measure.ts'
import type { Row } from './row.ts'

const run = promisify(execFile)
const rounds = 15

export async function guestSection(): Promise<Row[]> {
  const halts = mkdtempSync(join(tmpdir(), 'lodge-halts-'))
  const [ofLodge, ofMachine] = ['lodge', 'machine'].map((name) => join(halts, name)) as [string, string]
  const bed = await makeBed({}, watchedLoop(ofLodge))
  const idle = startIdleLoop(ofMachine)
  const libvirt = await openLibvirt({ uri: bed.libvirtd.uri })
  try {
    const pattern = await bed.create('pattern')
    await bed.reach(pattern, ['ACTIVE'])
    await bed.api.must('POST', `/compute/v2.1/servers/${pattern}/action`, { 'os-stop': null })
    await bed.reach(pattern, ['SHUTOFF'])
    const template = await readTemplate(libvirt, bed, pattern)
    await Promise.all([longestHalt(bed.lodge.pid, ofLodge), longestHalt(idle.pid!, ofMachine)])
    const rows = [
      ...(await measureCreate(bed, libvirt, template)),
      ...(await measureVerbs(bed, libvirt, template)),
    ]
    const machine = await longestHalt(idle.pid!, ofMachine)
    const lodge = await longestHalt(bed.lodge.pid, ofLodge)
    return [...rows, row('longest halt of the event loop', machine, lodge, 'adds at most', 20)]
  } finally {
    await libvirt.close()
    idle.kill()
    await bed.remove()
    rmSync(halts, { recursive: true, force: true })
  }
}

/** What it takes to make by hand a domain like those that Lodge makes. */
interface Template {
  /** The definition of Lodge's own, and what stands in it that a copy must have of its own. */
  xml: string
  uuid: string
  name: string
  directory: string
  base: string
}

async function readTemplate(libvirt: Libvirt, bed: Bed, uuid: string): Promise<Template> {
  const [{ xml }, { name }] = await Promise.all([
    libvirt.call('domainGetXMLDesc', { uuid }),
    libvirt.call('domainLookupByUUID', { uuid }),
  ])
  const directory = join(bed.state, 'agent', 'servers', uuid)
  const info = await run('qemu-img', ['info', '--output=json', '-f', 'qcow2', join(directory, 'disk')])
  return { xml, uuid, name, directory, base: JSON.parse(info.stdout)['full-backing-filename'] }
}

/** One domain made by hand. */
interface RawDomain {
  uuid: string
  xml: string
  directory: string
}

async function makeRaw({ xml, uuid, name, directory, base }: Template): Promise<RawDomain> {
  const own = randomUUID()
  const ownDirectory = join(dirname(directory), `raw-${own}`)
  mkdirSync(ownDirectory)
  chmodSync(ownDirectory, 0o711)
  const disk = join(ownDirectory, 'disk')
  await run('qemu-img', ['create', '-q', '-f', 'qcow2', '-b', base, '-F', 'qcow2', disk, '1G'])
  const ownXml = xml.replaceAll(directory, ownDirectory).replaceAll(uuid, own).replaceAll(name, `raw-${own}`)
  return { uuid: own, xml: ownXml, directory: ownDirectory }
}

async function removeRaw(libvirt: Libvirt, { uuid, directory }: RawDomain): Promise<void> {
  await libvirt.call('domainSuspend', { uuid }).catch(() => undefined)
  await libvirt.call('domainDestroyFlags', { uuid })
  rmSync(directory, { recursive: true })
}

async function measureCreate(bed: Bed, libvirt: Libvirt, template: Template): Promise<Row[]> {
  const raw: number[] = []
  const running: number[] = []
  const active: number[] = []
  for (let round = 0; round < rounds; round++) {
    let domain: RawDomain | undefined
    raw.push(
      await timed(async () => {
        domain = await makeRaw(template)
        await libvirt.call('domainCreateXML', { xml: domain.xml })
      }),
    )
    await removeRaw(libvirt, domain!)

    let started = NaN
    const start = performance.now()
    const stop = libvirt.on('lifecycle', ({ event }) => {
      if (event === VIR_DOMAIN_EVENT_STARTED) started = performance.now() - start
    })
    const id = await bed.create(`create-${round}`)
    await reachSoon(bed, id, 'ACTIVE')
    active.push(performance.now() - start)
    running.push(started)
    stop()
    await deleteServer(bed, id)
  }
  const base = sampleOf(raw).median
  return [
    row('create → running', base, sampleOf(running).median, 'ratio at most', 1.15),
    row('create → ACTIVE', base, sampleOf(active).median, 'adds at most', 60),
  ]
}

/** A verb by hand and through Lodge, each leaving the guest where the other of its pair finds it. */
interface VerbTimes {
  raw: number[]
  lodge: number[]
}

async function measureVerbs(bed: Bed, libvirt: Libvirt, template: Template): Promise<Row[]> {
  const raw = await makeRaw(template)
  const { uuid } = await libvirt.call('domainDefineXMLFlags', { xml: raw.xml })
  await libvirt.call('domainCreateWithFlags', { uuid })
  const id = await bed.create('verbs')
  await bed.reach(id, ['ACTIVE'])
  // Both guests boot to the end first: what is measured is the verb, not two boots that share two cores.
  await delay(25_000)

  const times = { pause: none(), unpause: none(), resume: none(), start: none() }
  const byHand = async (verb: VerbTimes, work: () => Promise<unknown>): Promise<void> => {
    verb.raw.push(await timed(async () => void (await work())))
  }
  const byLodge = async (verb: VerbTimes, action: object, status: string): Promise<void> => {
    verb.lodge.push(await timed(() => act(bed, id, action, status)))
  }
  for (let round = 0; round < rounds; round++) {
    await byHand(times.pause, () => libvirt.call('domainSuspend', { uuid }))
    await byLodge(times.pause, { pause: null }, 'PAUSED')
    await byHand(times.unpause, () => libvirt.call('domainResume', { uuid }))
    await byLodge(times.unpause, { unpause: null }, 'ACTIVE')
  }
  for (let round = 0; round < rounds; round++) {
    // One after the other, so that neither reads its memory back while the other's is still being written out.
    await libvirt.call('domainManagedSave', { uuid })
    await byHand(times.resume, () => libvirt.call('domainCreateWithFlags', { uuid }))
    await libvirt.call('domainSuspend', { uuid })
    await act(bed, id, { suspend: null }, 'SUSPENDED')
    await byLodge(times.resume, { resume: null }, 'ACTIVE')
    await libvirt.call('domainResume', { uuid })
  }
  for (let round = 0; round < rounds; round++) {
    await cutPower(libvirt, uuid)
    await cutPower(libvirt, id)
    await bed.reach(id, ['SHUTOFF'])
    await byHand(times.start, async () => {
      await libvirt.call('domainDefineXMLFlags', { xml: raw.xml })
      await libvirt.call('domainCreateWithFlags', { uuid })
    })
    // The one guest's boot must not slow the other's start.
    await libvirt.call('domainSuspend', { uuid })
    await byLodge(times.start, { 'os-start': null }, 'ACTIVE')
    await libvirt.call('domainSuspend', { uuid: id })
    await libvirt.call('domainResume', { uuid: id })
  }
  await deleteServer(bed, id)
  await libvirt.call('domainDestroyFlags', { uuid })
  await libvirt.call('domainUndefineFlags', { uuid, flags: 0 })
  return [
    verbRow('pause', times.pause, 'adds at most', 15),
    verbRow('unpause', times.unpause, 'adds at most', 15),
    verbRow('start', times.start, 'ratio at most', 1.15),
    verbRow('resume', times.resume, 'ratio at most', 1.15),
  ]
}

const none = (): VerbTimes => ({ raw: [], lodge: [] })

const verbRow = (
  what: string,
  times: VerbTimes,
  kind: 'ratio at most' | 'adds at most',
  value: number,
): Row => row(what, sampleOf(times.raw).median, sampleOf(times.lodge).median, kind, value)

const row = (
  what: string,
  raw: number,
  lodge: number,
  kind: 'ratio at most' | 'adds at most',
  value: number,
): Row => ({
  what,
  raw,
  lodge,
  unit: 'ms',
  promise: { kind, value },
  count: rounds,
})

async function cutPower(libvirt: Libvirt, uuid: string): Promise<void> {
  await libvirt.call('domainSuspend', { uuid })
  await libvirt.call('domainDestroyFlags', { uuid })
}

async function act(bed: Bed, id: string, action: object, status: string): Promise<void> {
  await bed.api.must('POST', `/compute/v2.1/servers/${id}/action`, action)
  await reachSoon(bed, id, status)
}

/** Like `bed.reach`, looking every five milliseconds. */
async function reachSoon(bed: Bed, id: string, status: string): Promise<void> {
  const end = performance.now() + 60_000
  while (performance.now() < end) {
    const { server } = (await bed.api.must('GET', `/compute/v2.1/servers/${id}`)).body
    if (server.status === status && server['OS-EXT-STS:task_state'] === null) return
    if (server.status === 'ERROR') throw new RangeError(`server ${id} is in ERROR: ${server.fault?.message}`)
    await delay(5)
  }
  throw new RangeError(`server ${id} did not become ${status}`)
}

async function deleteServer(bed: Bed, id: string): Promise<void> {
  await bed.api.must('DELETE', `/compute/v2.1/servers/${id}`)
  for (;;) {
    if ((await bed.api.call('GET', `/compute/v2.1/servers/${id}`)).status === 404) return
    await delay(20)
  }
}

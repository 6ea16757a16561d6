/** A host of a lab is emptied of ten guests while others are created and the controller is killed. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { findViolations } from '../../src/conductor/invariants.ts'
import type { Lab } from '../../src/lab/lab.ts'
import { startCloud, type LabCloud } from '../../src/lab/start-cloud.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { openSqliteStore } from '../../src/store/open-sqlite.ts'
import { until } from '../support/until.ts'
import { labServers, type LabServers } from './lab-servers.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const drainParallel = 2

describe('a drain in a lab', { timeout: 590_000 }, () => {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-drain-'))
  let lab: Lab
  let cloud: LabCloud
  let servers: LabServers
  const ids: string[] = []

  before(async () => {
    lab = await startLab({ hosts: 3, directory })
    cloud = await startCloud(lab, {
      // The machine's processors are few, and guests in their firmware want next to nothing of them.
      agent: { maxMigrations: drainParallel, cpuAllocationRatio: 16 },
      controller: { fleet: { drainParallel }, quota: { instances: 100, cores: 100 } },
    })
    servers = await labServers(lab, cloud, { blank: true })
    for (let i = 0; i < 10; i += 1) ids.push(await servers.create(`guest-${i}`, 'host1'))
    for (const id of ids) await servers.reach(id, 'ACTIVE')
  })
  after(async () => {
    await lab?.stop()
    rmSync(directory, { recursive: true, force: true })
  })

  it('moves ten guests alive, loses none, places none, and goes on after its controller was killed', async (t) => {
    const drain = startDrain(cloud.stateDirectory)
    await until('the drain to begin', 60_000, () => drain.said().includes('servers left'))

    const [later, homes]: [string[], string[]] = [[], []]
    const enough = new AbortController()
    const load = (async () => {
      while (!enough.signal.aborted) {
        const begun = Date.now()
        // While no controller answers nothing is promised.
        const id = await servers.create(`later-${later.length}`).catch(() => undefined)
        if (id !== undefined) {
          later.push(id)
          homes.push(await answered(() => servers.reach(id, 'ACTIVE')))
          await answered(() => servers.api.call('DELETE', `/compute/v2.1/servers/${id}`))
        }
        // Two a second, or as many as the machine bears.
        await delay(Math.max(0, 500 - (Date.now() - begun)))
      }
    })()
    load.catch(() => undefined)
    t.after(() => enough.abort())
    const left = async (): Promise<number> => {
      const { body } = await servers.api.must('GET', '/lodge/v1/hosts/host1/drain')
      const moving = body.drain.servers.filter((one: { action: string | null }) => one.action !== null)
      assert.ok(moving.length <= drainParallel, `${moving.length} moves at once`)
      return body.drain.servers.length
    }
    await until('some to have moved', 200_000, async () => (await left()) <= 7, 300)
    const controller = lab.service('controller')
    const before = controller.pid()
    await controller.kill()
    await until('another controller', 60_000, () => ![undefined, before].includes(controller.pid()))
    await answered(left)
    const { status, text } = await drain.ending
    enough.abort()
    await load
    t.diagnostic(`${later.length} servers were created meanwhile`)

    assert.equal(status, 0, text)
    assert.match(text, /host1 is empty/)
    assert.ok(later.length >= 2, `${later.length} were created`)
    assert.ok(!homes.includes('host1'), homes.join())
    for (const id of ids) {
      const { status: now, host, fault } = await servers.show(id)
      assert.equal(now, 'ACTIVE', fault)
      assert.notEqual(host, 'host1')
      assert.deepEqual(await servers.runningOn(id), [host])
    }
    const { stdout } = await lab.hosts[0]!.exec(['virsh', '-q', 'list', '--all', '--name'])
    assert.equal(stdout.trim(), '')
    const store = await openSqliteStore({ path: join(cloud.stateDirectory, 'lodge.db'), readOnly: true })
    assert.deepEqual(await findViolations(store.db), [])
    await store.close()
  })
})

/** The same again while there is no controller that answers. */
async function answered<T>(work: () => Promise<T>): Promise<T> {
  for (const end = Date.now() + 120_000; ;) {
    try {
      return await work()
    } catch (error) {
      // What fetch throws without an answer.
      if (!(error instanceof TypeError) || Date.now() > end) throw error
      await delay(500)
    }
  }
}

function startDrain(state: string): {
  said: () => string
  ending: Promise<{ status: number | null; text: string }>
} {
  const words = [main, 'host', 'drain', 'host1', '--state', state]
  const child = spawn(process.execPath, words, { timeout: 500_000, stdio: ['ignore', 'pipe', 'pipe'] })
  let text = ''
  child.stdout.on('data', (chunk) => (text += chunk))
  child.stderr.on('data', (chunk) => (text += chunk))
  const ending = new Promise<{ status: number | null; text: string }>((resolve) =>
    child.once('close', (status) => resolve({ status, text })),
  )
  return { said: () => text, ending }
}

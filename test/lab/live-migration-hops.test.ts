/**
 * A guest that counts on its console goes round three hosts many times, its disk sent along or shared. Its counter
 * never restarts, no number is missing or said twice, and everything is right after each hop.
 * LODGE_HOPS says how often, 50 unless told, half of it with each kind of storage.
 */
import assert from 'node:assert/strict'
import { open, readFile } from 'node:fs/promises'
import { describe, it } from 'node:test'
import { startMovingGuest, type MovingGuest } from '../support/moving-guest.ts'

const hops = Number(process.env['LODGE_HOPS'] ?? 50)
const perHopMs = 20_000

describe('a guest goes round the hosts of a lab', () => {
  for (const sharedStorage of [false, true]) {
    const times = Math.ceil(hops / 2)
    const name = `${times} times, with its disk ${sharedStorage ? 'shared' : 'sent along'}`
    it(name, { timeout: 300_000 + times * perHopMs }, async (t) => {
      const guest = await startMovingGuest({ hosts: 3, sharedStorage })
      try {
        await goRound(guest, times, (said) => t.diagnostic(said))
      } finally {
        await guest.stop()
      }
    })
  }
})

async function goRound(guest: MovingGuest, times: number, say: (what: string) => void): Promise<void> {
  const names = guest.lab.hosts.map(({ name }) => name)
  const took: number[] = []
  const halts: number[] = []
  const heard = hear()
  for (let hop = 0; hop < times; hop += 1) {
    const source = guest.server().host!
    const dest = names[(names.indexOf(source) + 1) % names.length]!
    // Held open, it can be read when the host has removed it.
    const log = await open(logOf(guest))
    const began = performance.now()
    await guest.begin(dest)
    await guest.stage.conductor().idle()
    took.push(performance.now() - began)
    await guest.assertAt(dest)
    assert.equal((await guest.migration()).status, 'completed')
    halts.push(await downtimeOf(guest))
    await guest.countsOn()
    // A line that was begun here may end there.
    heard.more((await log.readFile('utf8')) + (await readFile(logOf(guest), 'utf8')))
    await log.close()
  }
  say(`${times} hops: ${summary(took)} each, the guest halted for ${summary(halts)}`)
}

/** Follows the counter through the consoles of all hosts. */
function hear(): { more(console: string): void } {
  let last = 0
  return {
    more(console) {
      for (const [, number] of console.matchAll(/count (\d+)\r?\n/g)) {
        const now = Number(number)
        // Logs begin with what was heard before.
        if (now <= last) continue
        assert.equal(now, last + 1, 'the counter left something out')
        last = now
      }
      assert.ok(!/boot [2-9]/.test(console), 'the guest was started again')
    },
  }
}

const logOf = (guest: MovingGuest): string => {
  const { host, id } = guest.server()
  return guest.agentAt(host!).disks.consoleLogPath(id)
}

async function downtimeOf(guest: MovingGuest): Promise<number> {
  const { host } = guest.agentAt(guest.server().host!)
  const { stdout } = await host.exec(['virsh', 'domjobinfo', guest.server().id, '--completed'])
  return Number(/Total downtime: +(\d+)/.exec(stdout)?.[1] ?? NaN)
}

function summary(milliseconds: number[]): string {
  const sorted = milliseconds.map(Math.round).toSorted((a, b) => a - b)
  return `${sorted[Math.floor(sorted.length / 2)]} ms (${sorted[0]} to ${sorted.at(-1)})`
}

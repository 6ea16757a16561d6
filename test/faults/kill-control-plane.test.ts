/**
 * `kill -9` of each part of the control plane, under a load of creates and deletes: three controllers, nats-server,
 * PostgreSQL. What was answered with 202 comes true, nothing stays half done, nothing is there twice, and no client
 * sees worse than 503 or waits long.
 */
import assert from 'node:assert/strict'
import { after, before, test, type TestContext } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { makeControlPlaneBed, type ControlPlaneBed } from '../support/control-plane-bed.ts'
import { startServerLoad } from '../support/server-load.ts'

const rounds = 2
const clients = 6

let bed: ControlPlaneBed
before(async () => {
  bed = await makeControlPlaneBed({ controllers: 3, hosts: 6 })
})
after(() => bed?.remove())

interface Blow {
  kill(): Promise<void>
  restart(): Promise<void>
  /** From one to the other; some time below 2.5 s unless told. */
  awayMs?: number
}

/** Longer than a lease. */
const longMs = 18_000

/** Under a load: `kill`, some time without, `restart`; then all must be as promised. */
async function strike(
  t: TestContext,
  name: string,
  { kill, restart, awayMs = Math.random() * 2500 }: Blow,
): Promise<void> {
  const load = startServerLoad(bed, name, clients)
  await delay(500 + Math.random() * 1500)
  await kill()
  await delay(awayMs)
  await restart()
  const backAfter = await load.firstActiveAfter(Date.now())
  await delay(500)
  const asked = Date.now()
  const { created, deleted, refused, unanswered, longestMs } = await load.settle(60_000)
  t.diagnostic(
    `${created} creates and ${deleted} deletes promised, ${refused} refused, ${unanswered} without an answer; ` +
      `longest wait ${longestMs} ms; first new server after ${backAfter} ms, all settled after ${Date.now() - asked} ms`,
  )
  assert.ok(created > 10, `only ${created} creates were taken`)
  await bed.assertSound()
}

for (let round = 1; round <= rounds; round++) {
  test(`round ${round}: a controller is killed`, { timeout: 180_000 }, async (t) => {
    const index = round % bed.controllers.length
    await strike(t, `controller-${round}`, {
      kill: () => bed.controllers[index]!.kill9(),
      restart: () => bed.restart(index),
    })
  })

  test(`round ${round}: nats-server is killed`, { timeout: 180_000 }, (t) =>
    strike(t, `nats-${round}`, { kill: () => bed.nats.kill(), restart: () => bed.nats.start() }),
  )

  test(`round ${round}: PostgreSQL is killed`, { timeout: 180_000 }, (t) =>
    strike(t, `postgres-${round}`, { kill: () => bed.postgres.kill9(), restart: () => bed.postgres.start() }),
  )
}

test('all controllers are killed at once', { timeout: 180_000 }, (t) =>
  strike(t, 'all', {
    kill: async () => {
      await Promise.all(bed.controllers.map((controller) => controller.kill9()))
    },
    restart: async () => {
      await Promise.all(bed.controllers.map((_one, index) => bed.restart(index)))
    },
  }),
)

test('a controller is killed and does not come back', { timeout: 180_000 }, async (t) => {
  await strike(t, 'gone', { kill: () => bed.controllers[1]!.kill9(), restart: async () => {} })
  await bed.restart(1)
})

test('PostgreSQL is away for longer than a lease', { timeout: 180_000 }, (t) =>
  strike(t, 'long-postgres', {
    kill: () => bed.postgres.kill9(),
    restart: () => bed.postgres.start(),
    awayMs: longMs,
  }),
)

test('nats-server is away for longer than a lease', { timeout: 180_000 }, (t) =>
  strike(t, 'long-nats', { kill: () => bed.nats.kill(), restart: () => bed.nats.start(), awayMs: longMs }),
)

test('after all this, lodge doctor finds nothing', { timeout: 90_000 }, () => {
  const { status, output } = bed.doctor()
  assert.equal(status, 0, output)
})

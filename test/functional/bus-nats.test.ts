import assert from 'node:assert/strict'
import { connect, credsAuthenticator } from '@nats-io/transport-node'
import { readFileSync } from 'node:fs'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { checkCommand } from '../../src/agent/check-command.ts'
import { faultOf } from '../../src/agent/fault.ts'
import { LodgeError } from '../../src/base/errors.ts'
import { newRequestId, newUuid } from '../../src/base/ids.ts'
import type { AgentEndpoint } from '../../src/bus/bus.ts'
import { connectNats } from '../../src/bus/nats-connect.ts'
import { claimsUpdateSubject, fleetAccount } from '../../src/bus/nats-keys.ts'
import {
  agentInbox,
  agentSubject,
  hostOfReport,
  imageChanged,
  imageFind,
  reportSubject,
} from '../../src/bus/nats-subjects.ts'
import { readFleetKeys } from '../../src/daemon/fleet.ts'
import type { Command, Outcome } from '../../src/contract/command.ts'
import type { CensusReport, Report } from '../../src/contract/report.ts'
import { powerState } from '../../src/model/server-state.ts'
import { testBus } from '../support/bus-suite.ts'
import { startPrivateNats, type PrivateNats } from '../support/private-nats.ts'
import { until } from '../support/until.ts'

for (const tls of [false, true])
  testBus(tls ? 'NATS over TLS' : 'NATS', async () => {
    const nats = await startPrivateNats({ tls })
    const [controller, agents] = [await nats.controllerBus(), await nats.controllerBus()]
    return {
      controller,
      agents,
      close: async () => {
        await agents.close()
        await controller.close()
        await nats.remove()
      },
    }
  })

const pauseOn = (host: string): Command<'pause'> => ({
  version: 1,
  id: newUuid(),
  host,
  serverId: newUuid(),
  verb: 'pause',
  params: {},
  requestId: newRequestId(),
})
const paused: Outcome<'pause'> = { ok: true, result: { powerState: powerState.PAUSED } }
const censusOf = (host: string, at = 1): CensusReport => ({
  version: 1,
  type: 'census',
  host,
  at,
  servers: [],
})
const answering = (command: AgentEndpoint['command']): AgentEndpoint => ({
  command,
  query: () => Promise.reject(new LodgeError('notFound', 'no')),
})

describe('NATS: what its connection and its credentials allow', () => {
  let nats: PrivateNats
  before(async () => {
    nats = await startPrivateNats()
  })
  after(() => nats?.remove())

  test('an agent with its own credentials serves, is not served twice, and reports', async () => {
    const controller = await nats.controllerBus()
    const agent = await nats.agentBus('one.example.org')
    const reports: Report[] = []
    controller.onReport((report) => reports.push(report))
    const leave = await agent.serve(
      'one.example.org',
      answering(async () => paused),
    )
    assert.deepEqual(await controller.send(pauseOn('one.example.org')), paused)
    const second = await nats.agentBus('one.example.org')
    await assert.rejects(
      second.serve(
        'one.example.org',
        answering(async () => paused),
      ),
      { kind: 'conflict' },
    )
    await agent.report(censusOf('one.example.org'))
    await until('the report', 5000, () => reports.length === 1)
    await leave()
    for (const bus of [second, agent, controller]) await bus.close()
  })

  test('an agent may not hear, command or report as another host', async () => {
    const controller = await nats.controllerBus({ acknowledgeMs: 100 })
    const thief = await nats.agentBus('thief', { acknowledgeMs: 100 })
    const reports: Report[] = []
    controller.onReport((report) => reports.push(report))
    const heard: Command[] = []
    const victim = await nats.agentBus('victim')
    const leave = await victim.serve(
      'victim',
      answering(async (command) => {
        heard.push(command)
        return paused
      }),
    )
    await thief.report(censusOf('victim', 666))
    await assert.rejects(thief.send(pauseOn('victim')), { kind: 'unavailable' })
    await leave()
    const stolen: Command[] = []
    await thief
      .serve(
        'victim',
        answering(async (command) => {
          stolen.push(command)
          return paused
        }),
      )
      .catch(() => {})
    await assert.rejects(controller.send(pauseOn('victim')), { kind: 'unavailable' })
    await delay(200)
    assert.deepEqual([heard, stolen, reports], [[], [], []])
    for (const bus of [thief, victim, controller]) await bus.close()
  })

  test('an agent may not have images as controllers have them from each other, nor tell nats-server whom to refuse', async () => {
    const controller = await connectAsController(nats)
    const asked: string[] = []
    for (const subject of [imageFind, imageChanged])
      controller.subscribe(subject, {
        callback: (_error, message) => {
          asked.push(message.subject)
          message.respond('{"from":"x"}')
        },
      })
    await controller.flush()
    const agent = await connect({
      servers: nats.url.replace('nats://', ''),
      authenticator: credsAuthenticator(readFileSync(await nats.agentCredentials('curious'))),
      inboxPrefix: agentInbox('curious'),
    })
    const { id } = await fleetAccount(readFleetKeys(nats.state)!, [])
    for (const subject of [imageFind, imageChanged, claimsUpdateSubject(id)])
      await assert.rejects(agent.request(subject, '{}', { timeout: 500 }), subject)
    assert.deepEqual(asked, [])
    assert.equal((await controller.request(imageFind, '{}', { timeout: 2000 })).string(), '{"from":"x"}')
    for (const one of [agent, controller]) await one.close()
  })

  test('a report in the name of another, from a subject of one’s own, is refused', async () => {
    const controller = await nats.controllerBus()
    const reports: Report[] = []
    controller.onReport((report) => reports.push(report))
    const raw = await connect({
      servers: nats.url.replace('nats://', ''),
      authenticator: credsAuthenticator(readFileSync(await nats.agentCredentials('liar'))),
    })
    raw.publish(reportSubject('liar', 'census'), JSON.stringify(censusOf('honest')))
    raw.publish(reportSubject('liar', 'census'), JSON.stringify({ ...censusOf('liar'), version: 2 }))
    raw.publish(reportSubject('liar', 'census'), 'nonsense')
    raw.publish(reportSubject('liar', 'census'), JSON.stringify(censusOf('liar', 7)))
    await raw.drain()
    await until('the true report', 5000, () => reports.length > 0)
    assert.deepEqual(reports, [censusOf('liar', 7)])
    await controller.close()
  })

  test('a stranger’s keys open nothing', async () => {
    const other = await startPrivateNats()
    const credentials = await other.agentCredentials('one')
    for (const credentialsFile of [credentials, null])
      await assert.rejects(connectNats({ url: nats.url, credentialsFile, caFile: null, name: 'stranger' }), {
        kind: 'unauthorized',
      })
    await other.remove()
  })

  test('a message for a host that the agent is not is refused', async () => {
    const controller = await nats.controllerBus()
    const agent = await nats.agentBus('here')
    const seen: Command[] = []
    const leave = await agent.serve(
      'here',
      answering(async (command) => {
        seen.push(command)
        return paused
      }),
    )
    const raw = await connectAsController(nats)
    const answer = new Promise<unknown>((resolve) =>
      raw.subscribe('_INBOX.x', { callback: (_error, message) => resolve(message.json()) }),
    )
    raw.publish(agentSubject('here', 'command'), JSON.stringify(pauseOn('there')), { reply: '_INBOX.x' })
    const { type, error } = (await answer) as { type: string; error: { kind: string } }
    assert.deepEqual([type, error.kind, seen], ['error', 'badRequest', []])
    await leave()
    for (const one of [agent, controller, raw]) await one.close()
  })

  test('fields that are not known are passed over; a verb that is not known is a fault', async () => {
    const controller = await nats.controllerBus()
    const agent = await nats.agentBus('older')
    const leave = await agent.serve(
      'older',
      answering(async (command) => {
        try {
          checkCommand(command, 'older')
        } catch (error) {
          return { ok: false, fault: faultOf(error, command.verb, 'older') }
        }
        return paused
      }),
    )
    const newer = { ...pauseOn('older'), priority: 7, params: { gently: true } } as Command
    assert.deepEqual(await controller.send(newer), paused)
    const unknown = { ...pauseOn('older'), verb: 'levitate', more: [] } as unknown as Command
    const outcome = await controller.send(unknown)
    assert.equal(!outcome.ok && outcome.fault.kind, 'notImplemented')
    await leave()
    for (const bus of [agent, controller]) await bus.close()
  })

  test('a report is worked in by one controller, a heartbeat is heard by all', async () => {
    const [left, right] = [await nats.controllerBus(), await nats.controllerBus()]
    const agent = await nats.agentBus('busy')
    const worked: Report[] = []
    const heard: string[] = []
    for (const bus of [left, right]) {
      bus.onReport((report) => worked.push(report))
      bus.onHeartbeat((host) => heard.push(host))
    }
    await left.ask({ version: 1, host: 'x', name: 'powerState', params: { serverId: '' } }).catch(() => {})
    await right.ask({ version: 1, host: 'x', name: 'powerState', params: { serverId: '' } }).catch(() => {})
    const heartbeat = { ...censusOf('busy'), type: 'host', description: {} } as unknown as Report
    for (let i = 0; i < 20; i++) await agent.report(heartbeat)
    await until('the heartbeats', 5000, () => heard.length === 40 && worked.length >= 20)
    assert.deepEqual([worked.length, new Set(heard)], [20, new Set(['busy'])])
    // A sign of life is for all to hear, and nobody's to work in; how far a migration has come is somebody's.
    for (let i = 0; i < 20; i++) await agent.report({ version: 1, type: 'alive', host: 'busy', at: i })
    await agent.report({ ...censusOf('busy'), type: 'migration-progress' } as unknown as Report)
    await until('the signs of life', 5000, () => heard.length === 80 && worked.length > 20)
    assert.deepEqual(
      worked.slice(20).map(({ type }) => type),
      ['migration-progress'],
    )
    for (const bus of [agent, left, right]) await bus.close()
  })

  test('a command in work outlives a nats-server that is killed and comes back', async () => {
    const controller = await nats.controllerBus({ acknowledgeMs: 2000, askAgainMs: 500 })
    const agent = await nats.agentBus('lasting')
    const reports: Report[] = []
    controller.onReport((report) => reports.push(report))
    const done = Promise.withResolvers<Outcome>()
    const ids = new Set<string>()
    let calls = 0
    // As the agent's journal does it: the same id is the same run.
    const leave = await agent.serve(
      'lasting',
      answering((command) => {
        calls += 1
        ids.add(command.id)
        return done.promise
      }),
    )
    const outcome = controller.send(pauseOn('lasting'))
    await until('the command', 5000, () => calls > 0)
    await nats.kill()
    await until('the loss', 5000, async () => {
      const failed = await agent.report({ ...censusOf('lasting'), type: 'host' } as unknown as Report).then(
        () => false,
        () => true,
      )
      return failed
    })
    await agent.report(censusOf('lasting', 42))
    done.resolve(paused)
    await nats.start()
    assert.deepEqual(await outcome, paused)
    assert.equal(ids.size, 1)
    await until('the report that was kept', 5000, () => reports.length > 0)
    assert.deepEqual(reports, [censusOf('lasting', 42)])
    await leave()
    for (const bus of [agent, controller]) await bus.close()
  })
})

test('subjects keep every name of a host apart', () => {
  for (const host of ['plain', 'a.b', 'a=2Eb', 'simulated-7', 'simulated-x', 'ü *>', 'host'])
    assert.equal(hostOfReport(reportSubject(host, 'host')), host)
  assert.equal(hostOfReport('lodge.v1.report.host.a.b.host'), undefined)
})

const connectAsController = (nats: PrivateNats) =>
  connect({
    servers: nats.url.replace('nats://', ''),
    authenticator: credsAuthenticator(readFileSync(nats.controllerCredentials)),
  })

/** What every transport of the bus must do, as tests. */
import assert from 'node:assert/strict'
import { after, before, describe, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { LodgeError } from '../../src/base/errors.ts'
import { newRequestId, newUuid } from '../../src/base/ids.ts'
import type { AgentEndpoint, Bus } from '../../src/bus/bus.ts'
import type { Command, Outcome, Query, QueryName, QueryTable } from '../../src/contract/command.ts'
import type { Report } from '../../src/contract/report.ts'
import { powerState } from '../../src/model/server-state.ts'

export interface BusSide {
  /** Two ends that are connected with each other: the controller's and the agents'. May be one and the same. */
  controller: Bus
  agents: Bus
  close(): Promise<void>
}

/** Registers the tests. `open` is called once, before them. */
export function testBus(side: string, open: () => Promise<BusSide>): void {
  describe(`bus: ${side}`, () => {
    let at: BusSide
    const reports: Report[] = []

    before(async () => {
      at = await open()
      at.controller.onReport((report) => reports.push(report))
    })
    after(() => at?.close())

    let hosts = 0
    const newHost = (): string => `host-${++hosts}`

    function pauseOn(host: string): Command<'pause'> {
      return {
        version: 1,
        id: newUuid(),
        host,
        serverId: newUuid(),
        verb: 'pause',
        params: {},
        requestId: newRequestId(),
      }
    }

    const paused: Outcome<'pause'> = { ok: true, result: { powerState: powerState.PAUSED } }

    /** An endpoint that answers with `answer` and keeps what it was sent. */
    function recorder(answer: (command: Command) => Promise<Outcome> = async () => paused) {
      const seen: (Command | Query)[] = []
      const endpoint: AgentEndpoint = {
        command(command) {
          seen.push(command)
          return answer(command)
        },
        async query<Q extends QueryName>(query: Query<Q>): Promise<QueryTable[Q]['result']> {
          seen.push(query)
          if (query.name === 'powerState')
            return { powerState: powerState.RUNNING } as QueryTable[Q]['result']
          throw new LodgeError('notFound', 'No such server', {
            details: { serverId: (query.params as { serverId: string }).serverId },
          })
        },
      }
      return { seen, endpoint }
    }

    const isUnavailable = (error: unknown): boolean =>
      error instanceof LodgeError && error.kind === 'unavailable' && error.retryable

    test('a command reaches its host and no other, and its outcome comes back', async () => {
      const [here, there] = [newHost(), newHost()]
      const [mine, other] = [recorder(), recorder()]
      const leaveHere = await at.agents.serve(here, mine.endpoint)
      const leaveThere = await at.agents.serve(there, other.endpoint)
      const command = pauseOn(here)
      assert.deepEqual(await at.controller.send(command), paused)
      assert.deepEqual(mine.seen, [command])
      assert.deepEqual(other.seen, [])
      await leaveHere()
      await leaveThere()
    })

    test('a fault is an outcome, not an exception', async () => {
      const host = newHost()
      const fault = {
        kind: 'conflict',
        code: 409,
        message: 'no',
        details: 'libvirt said no',
        retry: 'never',
      } as const
      const leave = await at.agents.serve(host, recorder(async () => ({ ok: false, fault })).endpoint)
      assert.deepEqual(await at.controller.send(pauseOn(host)), { ok: false, fault })
      await leave()
    })

    test('many commands are under way at once, each with its own outcome', async () => {
      const host = newHost()
      const answer = async (command: Command): Promise<Outcome> => {
        await delay(Math.random() * 20)
        return {
          ok: false,
          fault: { kind: 'conflict', code: 409, message: command.id, details: '', retry: 'never' },
        }
      }
      const leave = await at.agents.serve(host, recorder(answer).endpoint)
      const commands = Array.from({ length: 50 }, () => pauseOn(host))
      const outcomes = await Promise.all(commands.map((command) => at.controller.send(command)))
      assert.deepEqual(
        outcomes.map((outcome) => !outcome.ok && outcome.fault.message),
        commands.map(({ id }) => id),
      )
      await leave()
    })

    test('a host that nobody serves is unavailable', async () => {
      const host = newHost()
      await assert.rejects(at.controller.send(pauseOn(host)), isUnavailable)
      const query = { version: 1, host, name: 'powerState', params: { serverId: newUuid() } } as const
      await assert.rejects(at.controller.ask(query), isUnavailable)
      await (
        await at.agents.serve(host, recorder().endpoint)
      )()
      await assert.rejects(at.controller.send(pauseOn(host)), isUnavailable)
    })

    test('whoever waits for an agent that leaves is told so', async () => {
      const host = newHost()
      const leave = await at.agents.serve(host, recorder(() => new Promise(() => {})).endpoint)
      const waiting = assert.rejects(at.controller.send(pauseOn(host)), isUnavailable)
      await delay(50)
      await leave()
      await waiting
    })

    test('an endpoint that throws makes the send fail with what it threw', async () => {
      const host = newHost()
      const answer = async (): Promise<Outcome> => {
        throw new LodgeError('unavailable', 'The agent is stopping')
      }
      const leave = await at.agents.serve(host, recorder(answer).endpoint)
      await assert.rejects(at.controller.send(pauseOn(host)), isUnavailable)
      await leave()
    })

    test('a question is answered, or fails with the agent’s error', async () => {
      const host = newHost()
      const leave = await at.agents.serve(host, recorder().endpoint)
      const params = { serverId: newUuid() }
      assert.deepEqual(await at.controller.ask({ version: 1, host, name: 'powerState', params }), {
        powerState: powerState.RUNNING,
      })
      await assert.rejects(
        at.controller.ask({ version: 1, host, name: 'consoleOutput', params: { ...params, length: null } }),
        (error) =>
          error instanceof LodgeError &&
          error.kind === 'notFound' &&
          error.message === 'No such server' &&
          error.details.serverId === params.serverId,
      )
      await leave()
    })

    test('one host has one agent', async () => {
      const host = newHost()
      const leave = await at.agents.serve(host, recorder().endpoint)
      await assert.rejects(
        at.agents.serve(host, recorder().endpoint),
        (error) => error instanceof LodgeError && error.kind === 'conflict',
      )
      assert.deepEqual(await at.controller.send(pauseOn(host)), paused)
      await leave()
      await (
        await at.agents.serve(host, recorder().endpoint)
      )()
    })

    test('reports arrive in order, at every listener', async () => {
      const host = newHost()
      const also: Report[] = []
      at.controller.onReport((report) => also.push(report))
      const sent: Report[] = Array.from({ length: 20 }, (_, at) => ({
        version: 1,
        type: 'census',
        host,
        at,
        servers: [],
      }))
      const about = { version: 1, host, serverId: 'one' } as const
      sent.push(
        { ...about, type: 'power', at: 20, powerState: 1, cause: 'started' },
        { ...about, type: 'migration-progress', at: 21, migrationId: 'two', postCopy: false, progress: {} },
      )
      for (const report of sent) await at.agents.report(report)
      const of = (all: Report[]): Report[] => all.filter((report) => report.host === host)
      for (const end = Date.now() + 5_000; of(also).length < sent.length && Date.now() < end;) await delay(5)
      assert.deepEqual(of(reports), sent)
      assert.deepEqual(of(also), sent)
    })
  })
}

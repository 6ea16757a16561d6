/**
 * Every verb, cut off at every call that it makes to the hypervisor, before and after the call did its work, and
 * then done again: it comes to the same end as if nothing had happened. Cut off means either that the call fails,
 * after which the verb may still clean up, or that nothing more can be done, as when the agent dies.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { LodgeError } from '../../../src/base/errors.ts'
import type { CommandTable, Verb } from '../../../src/contract/command.ts'
import type { SimulatedCall } from '../../../src/hypervisor/simulated/call-behaviour.ts'
import type { ServerSpec } from '../../../src/model/server-spec.ts'
import { createAgentHarness, newSpec, type AgentHarness } from '../../support/agent-harness.ts'

interface Case {
  verb: Verb
  name?: string
  /** What was done to the server before. */
  after: Verb[]
  params(spec: ServerSpec): object
}

const spec = (one: ServerSpec): object => ({ spec: one })
const none = (): object => ({})
const stop = { timeoutSeconds: 1, retrySeconds: 1 }

const paramsOf: Partial<Record<Verb, (spec: ServerSpec) => object>> = {
  spawn: spec,
  destroy: none,
  start: spec,
  stop: () => stop,
  reboot: (one) => ({ type: 'HARD', spec: one, softTimeoutSeconds: 1 }),
  pause: none,
  unpause: none,
  suspend: none,
  resume: spec,
  snapshot: () => ({ imageId: 'image', diskFormat: 'raw' }),
}

const plain = (verb: Verb, ...after: Verb[]): Case => ({ verb, after, params: paramsOf[verb] ?? none })

const cases: Case[] = [
  plain('spawn'),
  plain('destroy', 'spawn'),
  plain('destroy', 'spawn', 'suspend'),
  plain('start', 'spawn', 'stop'),
  plain('start', 'spawn', 'suspend'),
  plain('stop', 'spawn'),
  plain('stop', 'spawn', 'pause'),
  plain('reboot', 'spawn'),
  plain('reboot', 'spawn', 'suspend'),
  {
    ...plain('reboot', 'spawn'),
    name: 'soft reboot',
    params: (one) => ({ type: 'SOFT', spec: one, softTimeoutSeconds: 1 }),
  },
  plain('pause', 'spawn'),
  plain('unpause', 'spawn', 'pause'),
  plain('suspend', 'spawn'),
  plain('resume', 'spawn', 'suspend'),
  plain('resume', 'spawn', 'pause', 'suspend'),
  plain('snapshot', 'spawn'),
  plain('snapshot', 'spawn', 'stop'),
]

for (const one of cases) {
  test(`${one.name ?? one.verb} after ${one.after.join(', ') || 'nothing'} survives being cut off`, async () => {
    await using harness = await createAgentHarness({
      forgetful: true,
      hypervisor: { guests: { shutdownMs: 1, rebootMs: 1 } },
    })
    const calls = await callsOf(harness, one)
    assert.ok(calls.length > 0)
    const wanted = await run(harness, one)
    for (let index = 0; index < calls.length; index++)
      for (const after of [false, true])
        for (const forGood of [false, true]) {
          const end = await run(harness, one, { calls, index, after, forGood })
          assert.deepEqual(end, wanted, JSON.stringify({ calls, index, after, forGood }))
        }
  })
}

interface Cut {
  calls: SimulatedCall[]
  index: number
  /** The call does its work, and only the answer is lost. */
  after: boolean
  /** No call after this one gets through. */
  forGood: boolean
}

/** Takes a new server through the case, cut off once if so told, and says how it ended. */
async function run(harness: AgentHarness, one: Case, cut?: Cut): Promise<unknown> {
  const server = await prepared(harness, one)
  if (cut) {
    cutOff(harness, cut)
    await send(harness, one.verb, server, one.params(server))
    harness.hypervisor.reconnect()
  }
  const outcome = await send(harness, one.verb, server, one.params(server))
  assert.deepEqual(outcome.ok, true, JSON.stringify(outcome))
  const domain = await harness.hypervisor.findDomain(server.id)
  const end = {
    domain: domain && [domain.powerState, domain.managedSave],
    disks: (await harness.disks.list()).includes(server.id),
    result: outcome.ok && outcome.result,
  }
  await harness.must('destroy', server.id, {})
  return end
}

async function callsOf(harness: AgentHarness, one: Case): Promise<SimulatedCall[]> {
  const server = await prepared(harness, one)
  const calls: SimulatedCall[] = []
  const stopWatching = harness.hypervisor.watchCalls((call) => calls.push(call))
  await send(harness, one.verb, server, one.params(server))
  stopWatching()
  await harness.must('destroy', server.id, {})
  return calls
}

async function prepared(harness: AgentHarness, one: Case): Promise<ServerSpec> {
  const server = newSpec()
  for (const verb of one.after) {
    const outcome = await send(harness, verb, server, (paramsOf[verb] ?? none)(server))
    assert.equal(outcome.ok, true)
  }
  return server
}

const send = (harness: AgentHarness, verb: Verb, server: ServerSpec, params: object) =>
  harness.send(verb, server.id, params as CommandTable[Verb]['params'])

function cutOff({ hypervisor }: AgentHarness, { calls, index, after, forGood }: Cut): void {
  const error = new LodgeError('unavailable', 'internal error: client socket is closed')
  let left = index
  const stopWatching = hypervisor.watchCalls((call) => {
    if (left-- > 0) return
    stopWatching()
    assert.equal(call, calls[index])
    hypervisor.fail(call, { times: 1, after, error })
    if (forGood) hypervisor.disconnect()
  })
}

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { runOn, startIfOff } from '../../../src/agent/server/domain-power.ts'
import type { VerbContext } from '../../../src/agent/server/verb.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { powerState, type PowerState } from '../../../src/model/server-state.ts'

const refused = new LodgeError('conflict', 'Requested operation is not valid: domain is already running')

/** A hypervisor that refuses, and then shows the domain in that state. */
function refusing(shown: PowerState, error = refused): VerbContext {
  const refuse = async (): Promise<never> => {
    throw error
  }
  const hypervisor = { start: refuse, resume: refuse, findDomain: async () => ({ powerState: shown }) }
  return { hypervisor } as unknown as VerbContext
}

for (const [name, verb] of [
  ['a start', startIfOff],
  ['letting run on', runOn],
] as const) {
  test(`${name} that libvirt refuses has succeeded if the guest runs: an earlier command of ours had started it`, async () => {
    await verb(refusing(powerState.RUNNING), 'id')
  })
  test(`${name} that libvirt refuses has failed if the guest does not run`, async () => {
    await assert.rejects(verb(refusing(powerState.PAUSED), 'id'), refused)
  })
  test(`${name} that fails for another reason has failed, whatever the guest does`, async () => {
    const broken = new LodgeError('internal', 'internal error: process exited')
    await assert.rejects(verb(refusing(powerState.RUNNING, broken), 'id'), broken)
  })
}

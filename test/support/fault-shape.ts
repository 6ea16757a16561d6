import assert from 'node:assert/strict'
import type { ServiceName } from './api-tables.ts'

/** What only a defect would tell a client: programs, places in them, paths of this machine. */
const inside = /node:|\.ts:\d|sqlite|kysely|fastify|\n {4}at |\/tmp\/|undefined/i

/** Fails unless the body of an answer of 400 and above is a fault in the form of its service. */
export function assertFault(service: ServiceName, status: number, body: unknown, what: string): void {
  const at = `${what} answered ${status} ${JSON.stringify(body)}`
  assert.ok(status >= 400, at)
  assert.ok(typeof body === 'object' && body !== null, at)
  const entries = Object.entries(body)
  assert.equal(entries.length, 1, at)
  const [name, fault] = entries[0] as [string, Record<string, unknown>]
  const keys = Object.keys(fault).sort().join()
  if (service === 'compute' && status !== 401) assert.equal(keys, 'code,message', at)
  else if (service === 'network' && status !== 401)
    assert.deepEqual([name, keys], ['NeutronError', 'detail,message,type'], at)
  else assert.deepEqual([name, keys], ['error', 'code,message,title'], at)
  if ('code' in fault) assert.equal(fault['code'], status, at)
  const message = fault['message']
  assert.ok(typeof message === 'string' && message !== '', at)
  assert.doesNotMatch(message, inside, at)
  assert.ok(message.length < 2000, at)
}

/** Tests of the conductor and of the servers' API once more, over PostgreSQL; LODGE_TEST_STORE=postgres does so with any. */
import { globSync } from 'node:fs'
import { env } from 'node:process'

env['LODGE_TEST_STORE'] = 'postgres'
const here = import.meta.dirname
/** What writes from several sides at once, and lists that sort and filter. The rest asks the store for little else. */
const conductor = ['crash', 'failures', 'life', 'live-migration', 'overtake', 'placement', 'purge']
conductor.push('random-crashes', 'reports')
const api = ['aggregates', 'hosts', 'image-list', 'migrations', 'placements', 'quotas', 'server-groups']
api.push('servers-actions', 'servers-create', 'servers-list')
const oneOf = (names: string[]): string => `{${names.join(',')}}`
for (const path of [
  ...globSync(`conductor/${oneOf(conductor)}.test.ts`, { cwd: here }),
  ...globSync(`api-${oneOf(api)}.test.ts`, { cwd: here }),
].sort())
  await import(`./${path}`)

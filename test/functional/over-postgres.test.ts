/** Tests of the conductor and of the servers' API once more, over PostgreSQL; LODGE_TEST_STORE=postgres does so with any. */
import { globSync } from 'node:fs'
import { env } from 'node:process'

env['LODGE_TEST_STORE'] = 'postgres'
const here = import.meta.dirname
for (const path of [
  ...globSync('conductor/{failures,life,overtake,random-crashes}.test.ts', { cwd: here }),
  ...globSync('api-servers-{actions,create,list}.test.ts', { cwd: here }),
].sort())
  await import(`./${path}`)

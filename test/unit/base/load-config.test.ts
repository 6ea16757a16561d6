import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { defaultConfig } from '../../../src/base/config.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { loadConfig } from '../../../src/base/load-config.ts'

let directory: string
before(() => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-config-'))
})
after(() => rmSync(directory, { recursive: true }))

function file(text: string): string {
  const path = join(directory, 'lodge.json')
  writeFileSync(path, text)
  return path
}

const refused = (pattern: RegExp) => (error: unknown) =>
  error instanceof LodgeError && error.kind === 'badRequest' && pattern.test(error.message)

test('without a file and flags the defaults hold, and they fit their own schema', () => {
  assert.deepEqual(loadConfig(undefined, {}), defaultConfig)
  assert.deepEqual(loadConfig(file(JSON.stringify(defaultConfig)), {}), defaultConfig)
})

test('a flag wins over the file, and the file over the default', () => {
  const path = file('{"listen": {"port": 1, "host": "::1"}, "agent": {"maxBuilds": 3}}')
  const config = loadConfig(path, { listen: { port: 2 } })
  assert.deepEqual(config.listen, { host: '::1', port: 2 })
  assert.equal(config.agent.maxBuilds, 3)
  assert.equal(config.agent.maxSnapshots, defaultConfig.agent.maxSnapshots)
})

test('what is wrong is named with its place', () => {
  assert.throws(
    () => loadConfig(file('{"agent": {"maxBuild": 3}}'), {}),
    refused(/no setting 'agent.maxBuild'/),
  )
  assert.throws(
    () => loadConfig(file('{"listen": {"port": 99999}}'), {}),
    refused(/listen.port is 99999, but must be <= 65535/),
  )
  assert.throws(() => loadConfig(file('{"log": {"level": "loud"}}'), {}), refused(/log.level is "loud"/))
  assert.throws(() => loadConfig(file('[]'), {}), refused(/the whole is \[\], but must be object/))
  assert.throws(() => loadConfig(file('{nope'), {}), refused(/is not JSON/))
  assert.throws(
    () => loadConfig(join(directory, 'absent.json'), {}),
    refused(/Cannot read the settings file/),
  )
})

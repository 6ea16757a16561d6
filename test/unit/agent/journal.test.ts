import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test, type TestContext } from 'node:test'
import { faultOf } from '../../../src/agent/fault.ts'
import { journalOver, openJournal } from '../../../src/agent/journal.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import type { Outcome } from '../../../src/contract/command.ts'
import { powerState } from '../../../src/model/server-state.ts'
import { commandOf, newSpec } from '../../support/agent-harness.ts'

const paused: Outcome = { ok: true, result: { powerState: powerState.PAUSED } }

function newPath(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-journal-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return join(directory, 'journal.sqlite')
}

test('what was accepted and finished is there after the file is opened again', async (t) => {
  const path = newPath(t)
  const spec = newSpec()
  const first = commandOf('pause', spec.id, {})
  const second = commandOf('unpause', spec.id, {})
  {
    const journal = openJournal(path)
    const host = journal.forHost('a')
    assert.equal(host.find(first.id), undefined)
    await Promise.all([host.accept(first), host.accept(second)])
    assert.equal(host.find(first.id), 'accepted')
    await host.finish(first, paused, { wanted: 'paused', spec }, 1)
    await journal.close()
  }
  const journal = openJournal(path)
  const host = journal.forHost('a')
  assert.deepEqual(host.find(first.id), paused)
  assert.deepEqual(host.unfinished(), [second])
  assert.deepEqual(host.servers(), [{ serverId: spec.id, wanted: 'paused' }])
  assert.deepEqual(host.spec(spec.id), spec)
  assert.equal(statSync(path).mode & 0o777, 0o600)
  await journal.close()
})

test('a commit has reached the file when it resolves', async (t) => {
  const path = newPath(t)
  const journal = openJournal(path)
  const command = commandOf('pause', newSpec().id, {})
  await journal.forHost('a').accept(command)
  const other = new DatabaseSync(path, { readOnly: true })
  assert.equal(other.prepare('SELECT count(*) AS n FROM commands').get()?.n, 1)
  other.close()
  await journal.close()
})

test('hosts that share a file know nothing of each other', async (t) => {
  const journal = openJournal(newPath(t))
  const [a, b] = [journal.forHost('a'), journal.forHost('b')]
  const spec = newSpec()
  const command = commandOf('pause', spec.id, {})
  await a.accept(command)
  await a.finish(command, paused, { wanted: 'running', spec }, 1)
  assert.equal(b.find(command.id), undefined)
  assert.deepEqual(b.servers(), [])
  assert.equal(b.spec(spec.id), undefined)
  await b.accept(command)
  await b.trim(100)
  assert.deepEqual(a.find(command.id), paused)
  await journal.close()
})

test('the ledger keeps the spec while only the wish changes, and forgets what is removed', async (t) => {
  const journal = openJournal(newPath(t))
  const host = journal.forHost('a')
  const spec = newSpec()
  const command = commandOf('pause', spec.id, {})
  await host.finish(command, paused, { wanted: 'paused' }, 1)
  assert.equal(host.isOnLedger(spec.id), false)
  await host.finish(command, paused, { wanted: 'running', spec }, 1)
  await host.finish(command, paused, { wanted: 'stopped' }, 2)
  assert.deepEqual(host.servers(), [{ serverId: spec.id, wanted: 'stopped' }])
  assert.deepEqual(host.spec(spec.id), spec)
  await host.finish(command, paused, 'remove', 3)
  assert.equal(host.isOnLedger(spec.id), false)
  assert.equal(host.spec(spec.id), undefined)
  await journal.close()
})

test('old outcomes are forgotten, unfinished commands never', async (t) => {
  const journal = openJournal(newPath(t))
  const host = journal.forHost('a')
  const [old, recent, unfinished] = [1, 2, 3].map(() => commandOf('pause', newSpec().id, {}))
  for (const command of [old!, recent!, unfinished!]) await host.accept(command)
  await host.finish(old!, paused, undefined, 1_000)
  await host.finish(recent!, paused, undefined, 2_000)
  await host.trim(2_000)
  assert.equal(host.find(old!.id), undefined)
  assert.deepEqual(host.find(recent!.id), paused)
  assert.equal(host.find(unfinished!.id), 'accepted')
  await journal.close()
})

test('commands under way at the close are written first', async (t) => {
  const path = newPath(t)
  const journal = openJournal(path)
  const command = commandOf('pause', newSpec().id, {})
  const accepted = journal.forHost('a').accept(command)
  await journal.close()
  await accepted
  const again = openJournal(path)
  assert.equal(again.forHost('a').find(command.id), 'accepted')
  await again.close()
})

test('a full disk may get room: a build goes to another host, all else is tried again here', async (t) => {
  const path = newPath(t)
  await openJournal(path).close()
  const db = new DatabaseSync(path)
  const journal = journalOver(db)
  const host = journal.forHost('a')
  // SQLite's own way to make a disk of a few pages: it fails with the same code as a disk that is full.
  const pages = Number(db.prepare('PRAGMA page_count').get()?.page_count)
  db.exec(`PRAGMA max_page_count = ${pages}`)
  const large = { ...commandOf('pause', newSpec().id, {}), requestId: 'x'.repeat(100_000) }
  const error: unknown = await host.accept(large).catch((thrown: unknown) => thrown)
  assert.ok(error instanceof LodgeError)
  assert.match(error.message, /full/)
  assert.deepEqual(
    (['spawn', 'destroy', 'stop'] as const).map((verb) => {
      const { kind, code, retry } = faultOf(error, verb, 'a')
      return [kind, code, retry]
    }),
    [
      ['unavailable', 503, 'other-host'],
      ['unavailable', 503, 'same-host'],
      ['unavailable', 503, 'same-host'],
    ],
  )
  db.exec('PRAGMA max_page_count = 100000')
  await host.accept(large)
  assert.equal(host.find(large.id), 'accepted')
  await journal.close()
})

test('a journal of a newer Lodge is refused', (t) => {
  const path = newPath(t)
  const db = new DatabaseSync(path)
  db.exec('PRAGMA user_version = 99')
  db.close()
  assert.throws(
    () => openJournal(path),
    (error) => error instanceof LodgeError && error.message.includes('newer Lodge'),
  )
})

import { closeSync, openSync } from 'node:fs'
import { DatabaseSync } from 'node:sqlite'
import { LodgeError, messageOf } from '../base/errors.ts'
import {
  createHostJournal,
  prepareStatements,
  type HostJournal,
  type JournalStatements,
} from './host-journal.ts'

/**
 * What an agent must not forget: the commands that it accepted with their outcomes, and the ledger of the servers
 * on its host. One SQLite file; several simulated hosts of one process may share it.
 */
export interface Journal {
  forHost(host: string): HostJournal
  /** Writes what is still waiting, and closes the file. */
  close(): Promise<void>
}

/** Writes of one turn of the event loop go to the disk together. */
export interface JournalWriter {
  readonly statements: JournalStatements
  /** Resolves when what `write` did is on the disk. */
  commit(write: () => void): Promise<void>
}

/**
 * Opens or makes the journal file at `path` (`:memory:` for tests).
 *
 * A commit waits for the disk (synchronous=FULL): an outcome that was told to the controller, such as "stopped",
 * must outlive a power failure, or the host would start the guest again afterwards.
 * @throws LodgeError internal when the file cannot be opened or is of a newer Lodge
 */
export function openJournal(path: string): Journal {
  return journalOver(open(path))
}

/** The journal in a database that has its tables. A write without room for it fails as unavailable: room may come. */
export function journalOver(db: DatabaseSync): Journal {
  let waiting: { write: () => void; resolve: () => void; reject: (error: unknown) => void }[] = []
  let flushed: Promise<void> | undefined

  function flush(): void {
    const batch = waiting
    waiting = []
    flushed = undefined
    try {
      db.exec('BEGIN IMMEDIATE')
      for (const { write } of batch) write()
      db.exec('COMMIT')
    } catch (error) {
      if (db.isOpen && db.isTransaction) db.exec('ROLLBACK')
      const failure = writeFailure(error)
      for (const { reject } of batch) reject(failure)
      return
    }
    for (const { resolve } of batch) resolve()
  }

  const writer: JournalWriter = {
    statements: prepareStatements(db),
    commit(write) {
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      waiting.push({ write, resolve, reject })
      flushed ??= new Promise((done) => {
        setImmediate(() => {
          flush()
          done()
        })
      })
      return promise
    },
  }

  return {
    forHost: (host) => createHostJournal(writer, host),
    async close() {
      await flushed
      if (db.isOpen) db.close()
    },
  }
}

/** Primary result codes of what an operator can mend, or time: BUSY, READONLY, IOERR, FULL. */
const passing = new Set([5, 8, 10, 13])

function writeFailure(error: unknown): LodgeError {
  const { errcode } = error as { errcode?: number }
  const mayPass = errcode !== undefined && passing.has(errcode & 0xff)
  return new LodgeError(
    mayPass ? 'unavailable' : 'internal',
    `The journal of the host cannot be written: ${messageOf(error)}`,
    { cause: error },
  )
}

const schemaVersion = 1

const schema = `
  CREATE TABLE commands (
    sequence INTEGER PRIMARY KEY,
    host TEXT NOT NULL,
    id TEXT NOT NULL,
    command TEXT NOT NULL,
    outcome TEXT,
    finished_at INTEGER,
    UNIQUE (host, id)
  ) STRICT;
  CREATE INDEX commands_unfinished ON commands (host, sequence) WHERE outcome IS NULL;
  CREATE INDEX commands_finished ON commands (finished_at) WHERE outcome IS NOT NULL;
  CREATE TABLE ledger (
    host TEXT NOT NULL,
    server_id TEXT NOT NULL,
    spec TEXT NOT NULL,
    wanted TEXT NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (host, server_id)
  ) STRICT, WITHOUT ROWID;
  CREATE TABLE boots (host TEXT PRIMARY KEY, boot_id TEXT NOT NULL) STRICT, WITHOUT ROWID;
`

function open(path: string): DatabaseSync {
  try {
    if (path !== ':memory:') closeSync(openSync(path, 'a', 0o600))
    const db = new DatabaseSync(path)
    db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA busy_timeout = 5000')
    const version = Number(db.prepare('PRAGMA user_version').get()?.user_version)
    if (version > schemaVersion)
      throw new LodgeError('internal', `it was written by a newer Lodge (version ${version})`)
    if (version < schemaVersion)
      db.exec(`BEGIN IMMEDIATE; ${schema} PRAGMA user_version = ${schemaVersion}; COMMIT`)
    return db
  } catch (error) {
    throw new LodgeError('internal', `Cannot open the agent's journal ${path}: ${messageOf(error)}`, {
      cause: error,
    })
  }
}

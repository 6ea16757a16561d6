import type { DatabaseSync } from 'node:sqlite'
import type { Command, Outcome } from '../contract/command.ts'
import type { ServerSpec } from '../model/server-spec.ts'
import type { JournalWriter } from './journal.ts'

/** What the user wants a server's guest to be; `suspended` means saved to disk. */
export type WantedPower = 'running' | 'paused' | 'suspended' | 'stopped'

/** What a finished command changes in the ledger. Without a `spec` the recorded one stays. */
export type LedgerChange = 'remove' | { wanted: WantedPower; spec?: ServerSpec }

export interface LedgerEntry {
  serverId: string
  wanted: WantedPower
}

/** The part of the journal that belongs to one host. Writes resolve when they are on the disk. */
export interface HostJournal {
  /** The recorded outcome, `accepted` while there is none, undefined when the id is new. */
  find(id: string): Outcome | 'accepted' | undefined
  accept(command: Command): Promise<void>
  /** Records the outcome and the change to the ledger at once. */
  finish(command: Command, outcome: Outcome, change: LedgerChange | undefined, at: number): Promise<void>
  /** Accepted commands without an outcome, in the order of their acceptance. */
  unfinished(): Command[]
  /** Forgets commands that were finished before that time. */
  trim(before: number): Promise<void>

  servers(): LedgerEntry[]
  isOnLedger(serverId: string): boolean
  /** undefined for a server that is not on the ledger. */
  wanted(serverId: string): WantedPower | undefined
  /** Notes what became of a guest by itself; nothing for a server that is not on the ledger. */
  want(serverId: string, wanted: WantedPower, at: number): Promise<void>
  spec(serverId: string): ServerSpec | undefined

  /** The machine's boot id at the last start of the agent. */
  bootId(): string | undefined
  setBootId(bootId: string): Promise<void>
}

/** What the journals of all hosts in one file are read and written with: simulated hosts come in thousands. */
export type JournalStatements = ReturnType<typeof prepareStatements>

export function prepareStatements(db: DatabaseSync) {
  return {
    find: db.prepare('SELECT outcome FROM commands WHERE host = ? AND id = ?'),
    accept: db.prepare('INSERT INTO commands (host, id, command) VALUES (?, ?, ?) ON CONFLICT DO NOTHING'),
    finish: db.prepare('UPDATE commands SET outcome = ?, finished_at = ? WHERE host = ? AND id = ?'),
    unfinished: db.prepare(
      'SELECT command FROM commands WHERE host = ? AND outcome IS NULL ORDER BY sequence',
    ),
    trim: db.prepare('DELETE FROM commands WHERE outcome IS NOT NULL AND finished_at < ? AND host = ?'),
    trimmable: db.prepare('SELECT 1 FROM commands WHERE outcome IS NOT NULL AND finished_at < ? LIMIT 1'),
    servers: db.prepare('SELECT server_id, wanted FROM ledger WHERE host = ?'),
    spec: db.prepare('SELECT spec FROM ledger WHERE host = ? AND server_id = ?'),
    put: db.prepare(
      `INSERT INTO ledger (host, server_id, spec, wanted, updated_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET spec = excluded.spec, wanted = excluded.wanted, updated_at = excluded.updated_at`,
    ),
    want: db.prepare('UPDATE ledger SET wanted = ?, updated_at = ? WHERE host = ? AND server_id = ?'),
    remove: db.prepare('DELETE FROM ledger WHERE host = ? AND server_id = ?'),
    bootId: db.prepare('SELECT boot_id FROM boots WHERE host = ?'),
    setBootId: db.prepare(
      'INSERT INTO boots (host, boot_id) VALUES (?, ?) ON CONFLICT DO UPDATE SET boot_id = excluded.boot_id',
    ),
  }
}

export function createHostJournal({ statements, commit }: JournalWriter, host: string): HostJournal {
  // Asked on every event of the hypervisor, so it is kept at hand. The specs stay on the disk.
  const onLedger = new Map<string, WantedPower>()
  for (const row of statements.servers.all(host))
    onLedger.set(String(row.server_id), String(row.wanted) as WantedPower)

  function applyChange(serverId: string, change: LedgerChange, at: number): void {
    if (change === 'remove') statements.remove.run(host, serverId)
    else if (change.spec) statements.put.run(host, serverId, JSON.stringify(change.spec), change.wanted, at)
    else statements.want.run(change.wanted, at, host, serverId)
  }

  function remember(serverId: string, change: LedgerChange): void {
    if (change === 'remove') onLedger.delete(serverId)
    else if (change.spec || onLedger.has(serverId)) onLedger.set(serverId, change.wanted)
  }

  return {
    find(id) {
      const row = statements.find.get(host, id)
      if (!row) return undefined
      return row.outcome === null ? 'accepted' : (JSON.parse(String(row.outcome)) as Outcome)
    },
    accept(command) {
      const text = JSON.stringify(command)
      return commit(() => statements.accept.run(host, command.id, text))
    },
    async finish(command, outcome, change, at) {
      const text = JSON.stringify(outcome)
      await commit(() => {
        statements.finish.run(text, at, host, command.id)
        if (change) applyChange(command.serverId, change, at)
      })
      if (change) remember(command.serverId, change)
    },
    unfinished: () =>
      statements.unfinished.all(host).map((row) => JSON.parse(String(row.command)) as Command),
    async trim(before) {
      // Most often there is nothing, and a commit waits for the disk.
      if (statements.trimmable.get(before)) await commit(() => statements.trim.run(before, host))
    },

    servers: () => [...onLedger].map(([serverId, wanted]) => ({ serverId, wanted })),
    isOnLedger: (serverId) => onLedger.has(serverId),
    wanted: (serverId) => onLedger.get(serverId),
    async want(serverId, wanted, at) {
      await commit(() => applyChange(serverId, { wanted }, at))
      remember(serverId, { wanted })
    },
    spec(serverId) {
      const row = statements.spec.get(host, serverId)
      return row && (JSON.parse(String(row.spec)) as ServerSpec)
    },

    bootId() {
      const row = statements.bootId.get(host)
      return row && String(row.boot_id)
    },
    setBootId: (bootId) => commit(() => statements.setBootId.run(host, bootId)),
  }
}

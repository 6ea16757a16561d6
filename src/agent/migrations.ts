/** What was asked of a migration while it is, or before it is, under way. */
export interface MigrationNotes {
  aborted: boolean
  postCopy: boolean
  /** The guest was halted so that the move may end. */
  paused: boolean
}

/** The live migrations out of this host, for as long as the agent lives. */
export interface Migrations {
  /** Notes made before it began hold. */
  begin(migrationId: string): MigrationNotes
  find(migrationId: string): MigrationNotes | undefined
  noteMigration(migrationId: string, notes: Partial<MigrationNotes>): void
  end(migrationId: string): void
}

/** How many notes on migrations that never began are kept. */
const most = 1000

export function createMigrations(): Migrations {
  const known = new Map<string, MigrationNotes>()
  function of(migrationId: string): MigrationNotes {
    let notes = known.get(migrationId)
    if (!notes) {
      notes = { aborted: false, postCopy: false, paused: false }
      known.set(migrationId, notes)
      const oldest = known.keys().next().value
      if (known.size > most && oldest !== undefined) known.delete(oldest)
    }
    return notes
  }
  return {
    begin: of,
    find: (migrationId) => known.get(migrationId),
    noteMigration: (migrationId, notes) => void Object.assign(of(migrationId), notes),
    end: (migrationId) => void known.delete(migrationId),
  }
}

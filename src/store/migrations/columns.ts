import type { ColumnDefinitionBuilder, CreateTableBuilder, Kysely } from 'kysely'
import type { SqlFlavor } from '../migrate.ts'

export const required = (column: ColumnDefinitionBuilder): ColumnDefinitionBuilder => column.notNull()

type Table = CreateTableBuilder<string, never>

export async function table(
  db: Kysely<unknown>,
  name: string,
  build: (table: Table) => { execute(): Promise<void> },
) {
  await build(db.schema.createTable(name)).execute()
}

/** A table whose first column counts its rows. */
export function numbered(table: Table, flavor: SqlFlavor) {
  return flavor === 'sqlite'
    ? table.addColumn('number', 'integer', (column) => column.primaryKey().autoIncrement())
    : table.addColumn('number', 'bigserial', (column) => column.primaryKey())
}

export async function index(db: Kysely<unknown>, tableName: string, of: string[]): Promise<void> {
  await db.schema
    .createIndex(`${tableName}_by_${of.join('_')}`)
    .on(tableName)
    .columns(of)
    .execute()
}

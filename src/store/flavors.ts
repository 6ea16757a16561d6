import { sql, type ExpressionBuilder, type Selectable } from 'kysely'
import { LodgeError } from '../base/errors.ts'
import type { Flavor } from '../model/flavor.ts'
import { numberFlavor } from './flavor-numbers.ts'
import { locksRows } from './row-locks.ts'
import type { FlavorsTable, Schema } from './schema.ts'
import type { Db } from './store.ts'

/** Who looks at flavors: administrators see all, others the public ones and those their project has access to. */
export interface FlavorViewer {
  projectId: string | null
  isAdmin: boolean
}

/**
 * The flavor with this id as people give it, or undefined; with a viewer only if the viewer may see it.
 * Read in a transaction it stays as it is until that ends.
 */
export async function getFlavor(db: Db, id: string, viewer?: FlavorViewer): Promise<Flavor | undefined> {
  let query = db.selectFrom('flavors').selectAll().where('id', '=', id)
  if (viewer && !viewer.isAdmin) query = query.where((eb) => publicOrGranted(eb, viewer.projectId))
  if (locksRows(db)) query = query.forUpdate()
  const row = await query.executeTakeFirst()
  return row && flavorOf(row)
}

/** Columns that a list can be sorted by, with Nova's names; null: the same for every flavor. */
const sortColumns = {
  created_at: 'created_at',
  description: 'description',
  disabled: 'disabled',
  ephemeral_gb: 'ephemeral_gib',
  flavorid: 'id',
  id: 'created_at',
  is_public: 'is_public',
  memory_mb: 'memory_mib',
  name: 'name',
  root_gb: 'root_gib',
  rxtx_factor: 'rxtx_factor',
  swap: 'swap_mib',
  updated_at: null,
  vcpu_weight: null,
  vcpus: 'vcpus',
} as const

export type FlavorSortKey = keyof typeof sortColumns
export const flavorSortKeys = Object.keys(sortColumns) as FlavorSortKey[]

export interface FlavorQuery {
  /**
   * `true`: the public ones and those that `projectId` has access to; `false`: the private ones; `null`: all.
   */
  isPublic: boolean | null
  projectId: string | null
  /** Leaves out disabled flavors. */
  enabledOnly?: boolean
  minMemoryMiB?: number
  minRootGiB?: number
  /** Part of the name. */
  name?: string
  sortKey: FlavorSortKey
  sortDirection: 'asc' | 'desc'
  /** Id of the flavor before the page. */
  marker?: string
  limit: number
}

/** A page of flavors. Throws `badRequest` if the marker is no flavor. */
export async function listFlavors(db: Db, query: FlavorQuery): Promise<Flavor[]> {
  let select = db.selectFrom('flavors').selectAll()
  const { isPublic, minMemoryMiB, minRootGiB, name, sortDirection } = query
  if (isPublic === true) select = select.where((eb) => publicOrGranted(eb, query.projectId))
  if (isPublic === false) select = select.where('is_public', '=', 0)
  if (query.enabledOnly) select = select.where('disabled', '=', 0)
  if (minMemoryMiB !== undefined) select = select.where('memory_mib', '>=', minMemoryMiB)
  if (minRootGiB !== undefined) select = select.where('root_gib', '>=', minRootGiB)
  if (name !== undefined)
    select = select.where(sql<boolean>`lower(name) like ${containing(name.toLowerCase())} escape '\\'`)

  const column = sortColumns[query.sortKey]
  // Null sorts like the empty text, so that a marker with a null can be compared with.
  const key = column === 'description' ? sql`coalesce(description, '')` : column && sql.ref(column)
  if (query.marker !== undefined) {
    const marker = await getFlavorRow(db, query.marker)
    if (!marker) throw new LodgeError('badRequest', `marker [${query.marker}] not found`)
    const after = sortDirection === 'asc' ? sql`>` : sql`<`
    const idAfter = sql<boolean>`id ${after} ${marker.id}`
    const value = column && (marker[column] ?? '')
    select = select.where(
      key ? sql<boolean>`(${key} ${after} ${value} or (${key} = ${value} and ${idAfter}))` : idAfter,
    )
  }
  if (key) select = select.orderBy(key, sortDirection)
  const rows = await select.orderBy('id', sortDirection).limit(query.limit).execute()
  return rows.map(flavorOf)
}

/** Adds a flavor. Throws `conflict` if its id or its name is taken. Run it in a transaction. */
export async function insertFlavor(db: Db, flavor: Flavor): Promise<void> {
  if (await getFlavorRow(db, flavor.id))
    throw new LodgeError('conflict', `Flavor with ID ${flavor.id} already exists.`)
  const named = await db.selectFrom('flavors').select('id').where('name', '=', flavor.name).executeTakeFirst()
  if (named) throw new LodgeError('conflict', `Flavor with name ${flavor.name} already exists.`)
  await db.insertInto('flavors').values(rowOf(flavor)).execute()
  await numberFlavor(db, flavor.id)
}

export async function setFlavorDescription(db: Db, id: string, description: string | null): Promise<void> {
  await db.updateTable('flavors').set({ description }).where('id', '=', id).execute()
}

/** Replaces all extra specs of a flavor. */
export async function setFlavorExtraSpecs(
  db: Db,
  id: string,
  extraSpecs: Record<string, string>,
): Promise<void> {
  const extra_specs_json = JSON.stringify(extraSpecs)
  await db.updateTable('flavors').set({ extra_specs_json }).where('id', '=', id).execute()
}

/** Removes a flavor with its access list; false if there was none. Servers keep their copy. Run it in a transaction. */
export async function deleteFlavor(db: Db, id: string): Promise<boolean> {
  await db.deleteFrom('flavor_access').where('flavor_id', '=', id).execute()
  const result = await db.deleteFrom('flavors').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}

function getFlavorRow(db: Db, id: string): Promise<Selectable<FlavorsTable> | undefined> {
  return db.selectFrom('flavors').selectAll().where('id', '=', id).executeTakeFirst()
}

function publicOrGranted(eb: ExpressionBuilder<Schema, 'flavors'>, projectId: string | null) {
  if (projectId === null) return eb('is_public', '=', 1)
  const granted = eb
    .selectFrom('flavor_access')
    .select('flavor_id')
    .where('flavor_access.project_id', '=', projectId)
  return eb.or([eb('is_public', '=', 1), eb('flavors.id', 'in', granted)])
}

/** A pattern of LIKE, with `\` as its escape, that finds texts with this part. */
const containing = (part: string): string => `%${part.replaceAll(/[\\%_]/g, String.raw`\$&`)}%`

const flavorOf = (row: Selectable<FlavorsTable>): Flavor => ({
  id: row.id,
  name: row.name,
  vcpus: row.vcpus,
  memoryMiB: row.memory_mib,
  rootGiB: row.root_gib,
  ephemeralGiB: row.ephemeral_gib,
  swapMiB: row.swap_mib,
  rxtxFactor: row.rxtx_factor,
  isPublic: row.is_public === 1,
  disabled: row.disabled === 1,
  description: row.description,
  extraSpecs: JSON.parse(row.extra_specs_json) as Record<string, string>,
  createdAt: row.created_at,
})

const rowOf = (flavor: Flavor): FlavorsTable => ({
  id: flavor.id,
  name: flavor.name,
  vcpus: flavor.vcpus,
  memory_mib: flavor.memoryMiB,
  root_gib: flavor.rootGiB,
  ephemeral_gib: flavor.ephemeralGiB,
  swap_mib: flavor.swapMiB,
  rxtx_factor: flavor.rxtxFactor,
  is_public: flavor.isPublic ? 1 : 0,
  disabled: flavor.disabled ? 1 : 0,
  description: flavor.description,
  extra_specs_json: JSON.stringify(flavor.extraSpecs),
  created_at: flavor.createdAt,
})

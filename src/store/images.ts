import { sql, type Expression, type ExpressionBuilder, type Selectable, type SqlBool } from 'kysely'
import { LodgeError } from '../base/errors.ts'
import type { ImageRecord, ImageStatus, ImageVisibility } from '../model/image.ts'
import type { DiskFormat } from '../model/server-spec.ts'
import { locksRows } from './row-locks.ts'
import type { ImagesTable, Schema } from './schema.ts'
import type { Db } from './store.ts'

/**
 * The image with this id, or undefined. Read in a transaction it stays as it is until that ends. Whether the asker may
 * see it is the caller's business.
 */
export async function getImage(db: Db, id: string): Promise<ImageRecord | undefined> {
  const row = await db
    .selectFrom('images')
    .selectAll()
    .where('id', '=', id)
    .$if(locksRows(db), (query) => query.forUpdate())
    .executeTakeFirst()
  return row && recordOf(row)
}

/** @throws LodgeError conflict when there is an image with this id */
export async function insertImage(db: Db, image: ImageRecord): Promise<void> {
  const result = await db
    .insertInto('images')
    .values({ ...columnsOf(image), id: image.id, created_at: image.createdAt, updated_at: image.updatedAt })
    .onConflict((conflict) => conflict.column('id').doNothing())
    .executeTakeFirst()
  if (!result.numInsertedOrUpdatedRows)
    throw new LodgeError('conflict', `An image with the id ${image.id} exists already.`)
}

export type ImageChanges = Partial<Omit<ImageRecord, 'id' | 'createdAt' | 'updatedAt'>>

/**
 * Changes the image, and its time of change to `now`. With `onlyIn` it does so only while the image has one of these
 * statuses, so that of two who want the same change one wins. Returns whether there was such an image.
 */
export async function updateImage(
  db: Db,
  id: string,
  changes: ImageChanges,
  now: number,
  onlyIn?: ImageStatus[],
): Promise<boolean> {
  let query = db
    .updateTable('images')
    .set({ ...columnsOf(changes), updated_at: now })
    .where('id', '=', id)
  if (onlyIn) query = query.where('status', 'in', onlyIn)
  const result = await query.executeTakeFirst()
  return result.numUpdatedRows > 0n
}

/** Returns whether there was such an image. */
export async function deleteImage(db: Db, id: string): Promise<boolean> {
  const result = await db.deleteFrom('images').where('id', '=', id).executeTakeFirst()
  return result.numDeletedRows > 0n
}

/** What a list may sort by. */
export const imageSortKeys = [
  'name',
  'status',
  'container_format',
  'disk_format',
  'size',
  'id',
  'created_at',
  'updated_at',
  'min_disk',
  'min_ram',
  'owner',
  'visibility',
] as const
export type ImageSortKey = (typeof imageSortKeys)[number]

export type TimeComparison = 'gt' | 'gte' | 'eq' | 'neq' | 'lt' | 'lte'

/** All conditions hold at once; those left out do not count. */
export interface ImageFilter {
  ids?: string[]
  names?: string[]
  statuses?: string[]
  containerFormats?: string[]
  diskFormats?: string[]
  visibility?: ImageVisibility
  owner?: string
  protected?: boolean
  hidden?: boolean
  sizeMin?: number
  sizeMax?: number
  minDiskGiB?: number
  minRamMiB?: number
  md5?: string
  sha512?: string
  tags?: string[]
  properties?: Record<string, string>
  times?: { column: 'created_at' | 'updated_at'; comparison: TimeComparison; at: number }[]
  /** Only images of this project, public ones and, with `community`, those of the community. Absent: all. */
  visibleTo?: { projectId: string | null; community: boolean }
  /** Leaves out community images but for those of this project. */
  withoutForeignCommunity?: { projectId: string | null }
}

export interface ImagePage {
  /** The last image of the page before. */
  marker?: ImageRecord
  limit: number
  /** A last sorting by id, descending, makes the order total. */
  sort: { key: ImageSortKey; direction: 'asc' | 'desc' }[]
}

/** One page of the images that the filter lets pass. */
export async function listImages(db: Db, filter: ImageFilter, page: ImagePage): Promise<ImageRecord[]> {
  const sort = page.sort.some(({ key }) => key === 'id')
    ? page.sort
    : [...page.sort, { key: 'id' as const, direction: page.sort.at(-1)?.direction ?? ('desc' as const) }]
  let query = db
    .selectFrom('images')
    .selectAll()
    .where((eb) => eb.and(conditionsOf(eb, filter)))
    .limit(page.limit)
  const { marker } = page
  if (marker) query = query.where((eb) => afterMarker(eb, sort, columnsOf(marker, marker)))
  for (const { key, direction } of sort) query = query.orderBy(sortExpression(key), direction)
  const rows = await query.execute()
  return rows.map(recordOf)
}

type ImageExpressions = ExpressionBuilder<Schema, 'images'>

function conditionsOf(eb: ImageExpressions, filter: ImageFilter): Expression<SqlBool>[] {
  const all: Expression<SqlBool>[] = []
  const oneOf = (
    column: 'id' | 'name' | 'status' | 'container_format' | 'disk_format',
    wanted?: string[],
  ) => {
    if (wanted) all.push(wanted.length > 0 ? eb(column, 'in', wanted as never) : sql<SqlBool>`1 = 0`)
  }
  oneOf('id', filter.ids)
  oneOf('name', filter.names)
  oneOf('status', filter.statuses)
  oneOf('container_format', filter.containerFormats)
  oneOf('disk_format', filter.diskFormats)
  if (filter.visibility !== undefined) all.push(eb('visibility', '=', filter.visibility))
  if (filter.owner !== undefined) all.push(eb('owner', '=', filter.owner))
  if (filter.protected !== undefined) all.push(eb('protected', '=', filter.protected ? 1 : 0))
  if (filter.hidden !== undefined) all.push(eb('hidden', '=', filter.hidden ? 1 : 0))
  if (filter.sizeMin !== undefined) all.push(eb('size', '>=', filter.sizeMin))
  if (filter.sizeMax !== undefined) all.push(eb('size', '<=', filter.sizeMax))
  if (filter.minDiskGiB !== undefined) all.push(eb('min_disk', '=', filter.minDiskGiB))
  if (filter.minRamMiB !== undefined) all.push(eb('min_ram', '=', filter.minRamMiB))
  if (filter.md5 !== undefined) all.push(eb('checksum', '=', filter.md5))
  if (filter.sha512 !== undefined) all.push(eb('os_hash_value', '=', filter.sha512))
  for (const tag of filter.tags ?? []) all.push(jsonHolds('tags_json', ['[', ','], JSON.stringify(tag)))
  for (const [key, value] of Object.entries(filter.properties ?? {}))
    all.push(jsonHolds('properties_json', ['{', ','], `${JSON.stringify(key)}:${JSON.stringify(value)}`))
  for (const { column, comparison, at } of filter.times ?? []) all.push(eb(column, operators[comparison], at))
  if (filter.visibleTo) {
    const visible: Expression<SqlBool>[] = [eb('visibility', '=', 'public')]
    if (filter.visibleTo.projectId !== null) visible.push(eb('owner', '=', filter.visibleTo.projectId))
    if (filter.visibleTo.community) visible.push(eb('visibility', '=', 'community'))
    all.push(eb.or(visible))
  }
  if (filter.withoutForeignCommunity)
    all.push(
      eb.or([
        eb('visibility', '!=', 'community'),
        eb('owner', '=', filter.withoutForeignCommunity.projectId ?? ''),
      ]),
    )
  return all
}

const operators = { gt: '>', gte: '>=', eq: '=', neq: '!=', lt: '<', lte: '<=' } as const

/**
 * Does the JSON text hold `member`, itself JSON, right after one of the characters `before`? Quotes inside strings
 * are escaped, so a member can be found nowhere else. `replace` compares bytes, on SQLite and PostgreSQL alike.
 */
function jsonHolds(
  column: 'tags_json' | 'properties_json',
  before: [string, string],
  member: string,
): Expression<SqlBool> {
  const held = (needle: string) =>
    sql<SqlBool>`replace(${sql.ref(column)}, ${needle}, '') <> ${sql.ref(column)}`
  return sql<SqlBool>`(${held(before[0] + member)} or ${held(before[1] + member)})`
}

/** Missing values sort as the smallest, so that a marker with one can be compared with. */
function sortExpression(key: ImageSortKey) {
  return numericKeys.has(key)
    ? sql<number>`coalesce(${sql.ref(key)}, -1)`
    : sql<string>`coalesce(${sql.ref(key)}, '')`
}
const numericKeys: ReadonlySet<string> = new Set(['size', 'created_at', 'updated_at', 'min_disk', 'min_ram'])

/** Rows after the marker: greater in the first key, or equal there and greater in the second, and so on. */
function afterMarker(
  eb: ImageExpressions,
  sort: ImagePage['sort'],
  marker: Partial<Selectable<ImagesTable>>,
): Expression<SqlBool> {
  const alternatives: Expression<SqlBool>[] = []
  const equal: Expression<SqlBool>[] = []
  for (const { key, direction } of sort) {
    const at = marker[key] ?? (numericKeys.has(key) ? -1 : '')
    const column = sortExpression(key)
    const further = direction === 'asc' ? sql<SqlBool>`${column} > ${at}` : sql<SqlBool>`${column} < ${at}`
    alternatives.push(eb.and([...equal, further]))
    equal.push(sql<SqlBool>`${column} = ${at}`)
  }
  return eb.or(alternatives)
}

const columnNames = {
  name: 'name',
  status: 'status',
  owner: 'owner',
  visibility: 'visibility',
  containerFormat: 'container_format',
  diskFormat: 'disk_format',
  minDiskGiB: 'min_disk',
  minRamMiB: 'min_ram',
  sizeBytes: 'size',
  virtualSizeBytes: 'virtual_size',
  md5: 'checksum',
  sha512: 'os_hash_value',
} as const

type Columns = Omit<Selectable<ImagesTable>, 'id' | 'created_at' | 'updated_at'>

function columnsOf(image: ImageRecord): Columns
function columnsOf(image: ImageRecord, row: ImageRecord): Selectable<ImagesTable>
function columnsOf(image: ImageChanges): Partial<Columns>
function columnsOf(image: ImageChanges, row?: ImageRecord): Partial<Selectable<ImagesTable>> {
  const columns: Record<string, unknown> = {}
  for (const [field, column] of Object.entries(columnNames)) {
    const value = image[field as keyof typeof columnNames]
    if (value !== undefined) columns[column] = value
  }
  if (image.protected !== undefined) columns.protected = image.protected ? 1 : 0
  if (image.hidden !== undefined) columns.hidden = image.hidden ? 1 : 0
  if (image.properties !== undefined) columns.properties_json = JSON.stringify(image.properties)
  if (image.tags !== undefined) columns.tags_json = JSON.stringify(image.tags)
  if (row) Object.assign(columns, { id: row.id, created_at: row.createdAt, updated_at: row.updatedAt })
  return columns
}

const recordOf = (row: Selectable<ImagesTable>): ImageRecord => ({
  id: row.id,
  name: row.name,
  status: row.status,
  owner: row.owner,
  visibility: row.visibility,
  protected: row.protected === 1,
  hidden: row.hidden === 1,
  containerFormat: row.container_format,
  diskFormat: row.disk_format as DiskFormat | null,
  minDiskGiB: row.min_disk,
  minRamMiB: row.min_ram,
  sizeBytes: row.size,
  virtualSizeBytes: row.virtual_size,
  md5: row.checksum,
  sha512: row.os_hash_value,
  properties: JSON.parse(row.properties_json) as Record<string, string>,
  tags: JSON.parse(row.tags_json) as string[],
  createdAt: row.created_at,
  updatedAt: row.updated_at,
})

import { LodgeError } from '../../base/errors.ts'
import type { ImageVisibility } from '../../model/image.ts'
import {
  imageSortKeys,
  type ImageFilter,
  type ImagePage,
  type ImageSortKey,
  type TimeComparison,
} from '../../store/images.ts'
import type { ApiRequest } from '../common/route.ts'
import { parseTime } from '../common/time.ts'
import { visibilities } from './attributes.ts'

type Asked = Pick<ApiRequest, 'query' | 'caller'>

/** Keys of the query that choose the page, not the images. */
const paging = new Set(['limit', 'marker', 'sort', 'sort_key', 'sort_dir', 'member_status'])

/**
 * Which images a list asks for, by Glance's rules. Any key that is no attribute is a custom property.
 * @throws LodgeError badRequest for values that have no meaning
 */
export function filterOf({ query, caller }: Asked): ImageFilter {
  const filter: ImageFilter = { hidden: false }
  const properties: [string, string][] = []
  for (const [key, values] of Object.entries(query)) {
    const value = values.at(-1) ?? ''
    const set = filters.get(key)
    if (set) set(filter, value, values)
    else if (!paging.has(key)) properties.push([key, value])
  }
  filter.properties = Object.fromEntries(properties)
  const all = query['visibility']?.at(-1) === 'all'
  const { projectId } = caller
  const community = all || filter.visibility === 'community'
  if (!caller.isAdmin) filter.visibleTo = { projectId, community }
  else if (!community) filter.withoutForeignCommunity = { projectId }
  return filter
}

type SetFilter = (filter: ImageFilter, value: string, values: string[]) => void

const setters: Record<string, SetFilter> = {
  id: (filter, value) => (filter.ids = oneOrSeveral('id', value)),
  name: (filter, value) => (filter.names = oneOrSeveral('name', value)),
  status: (filter, value) => (filter.statuses = oneOrSeveral('status', value)),
  container_format: (filter, value) => (filter.containerFormats = oneOrSeveral('container_format', value)),
  disk_format: (filter, value) => (filter.diskFormats = oneOrSeveral('disk_format', value)),
  visibility: (filter, value) => {
    if (value === 'all') return
    if (!visibilities.includes(value as ImageVisibility))
      throw new LodgeError('badRequest', `Invalid visibility value: ${value.slice(0, 64)}`)
    filter.visibility = value as ImageVisibility
  },
  owner: (filter, value) => (filter.owner = value),
  protected: (filter, value) => (filter.protected = yesOrNo('protected', value)),
  os_hidden: (filter, value) => (filter.hidden = yesOrNo('os_hidden', value)),
  size_min: (filter, value) => (filter.sizeMin = wholeNumber('size_min', value)),
  size_max: (filter, value) => (filter.sizeMax = wholeNumber('size_max', value)),
  min_disk: (filter, value) => (filter.minDiskGiB = wholeNumber('min_disk', value)),
  min_ram: (filter, value) => (filter.minRamMiB = wholeNumber('min_ram', value)),
  checksum: (filter, value) => (filter.md5 = value),
  os_hash_value: (filter, value) => (filter.sha512 = value),
  tag: (filter, _value, values) => (filter.tags = values),
  created_at: (filter, value) => addTime(filter, 'created_at', value),
  updated_at: (filter, value) => addTime(filter, 'updated_at', value),
}
/** A map, as keys of a query may be named like anything. */
const filters = new Map(Object.entries(setters))

/** `in:a,b` or `in:"a, b",c` for several values, else the value itself. */
function oneOrSeveral(key: string, value: string): string[] {
  if (!value.startsWith('in:')) return [value]
  const list = value.slice(3)
  const parts = list.match(/"[^"]*"|[^",]+/g) ?? []
  if (parts.length === 0 || parts.length > 1000 || parts.join(',') !== list)
    throw new LodgeError(
      'badRequest',
      `Invalid filter value for ${key}: it is in:VALUE,VALUE with quotes around commas.`,
    )
  return parts.map((part) => part.replace(/^"(.*)"$/, '$1'))
}

function yesOrNo(key: string, value: string): boolean {
  if (/^true$/i.test(value)) return true
  if (/^false$/i.test(value)) return false
  throw new LodgeError('badRequest', `Invalid value for ${key}: use true or false.`)
}

function wholeNumber(key: string, value: string): number {
  if (!/^\d{1,15}$/.test(value))
    throw new LodgeError('badRequest', `Invalid value for ${key}: use a whole number from 0 on.`)
  return Number(value)
}

function addTime(filter: ImageFilter, column: 'created_at' | 'updated_at', value: string): void {
  const match = /^(?:(gt|gte|eq|neq|lt|lte):)?(.*)$/.exec(value)
  const at = parseTime(match?.[2] ?? '')
  if (at === undefined)
    throw new LodgeError(
      'badRequest',
      `Invalid value for ${column}: use [gt|gte|eq|neq|lt|lte:]2026-01-31T12:00:00Z.`,
    )
  const comparison = (match?.[1] ?? 'eq') as TimeComparison
  filter.times = [...(filter.times ?? []), { column, comparison, at }]
}

/**
 * How a list is sorted: `sort=name:asc,size`, or the older `sort_key` and `sort_dir`, one or as many as keys.
 * @throws LodgeError badRequest
 */
export function sortOf({ query }: Pick<Asked, 'query'>): ImagePage['sort'] {
  const keys = query['sort_key'] ?? []
  const directions = query['sort_dir'] ?? []
  const sort = query['sort']?.at(-1)
  if (sort !== undefined) {
    if (keys.length + directions.length > 0)
      throw new LodgeError('badRequest', 'Use either sort, or sort_key and sort_dir.')
    return sort.split(',').map((part) => {
      const [key = '', direction = 'desc'] = part.trim().split(':')
      return { key: sortKey(key), direction: sortDirection(direction) }
    })
  }
  if (directions.length > 1 && directions.length !== keys.length)
    throw new LodgeError('badRequest', 'Give one sort_dir, or one for each sort_key.')
  if (keys.length === 0) return [{ key: 'created_at', direction: sortDirection(directions[0] ?? 'desc') }]
  return keys.map((key, index) => ({
    key: sortKey(key),
    direction: sortDirection(directions[index] ?? directions[0] ?? 'desc'),
  }))
}

function sortKey(key: string): ImageSortKey {
  if ((imageSortKeys as readonly string[]).includes(key)) return key as ImageSortKey
  throw new LodgeError(
    'badRequest',
    `Invalid sort key ${key.slice(0, 64)}: use one of ${imageSortKeys.join(', ')}.`,
  )
}

function sortDirection(direction: string): 'asc' | 'desc' {
  if (direction === 'asc' || direction === 'desc') return direction
  throw new LodgeError('badRequest', `Invalid sort direction ${direction.slice(0, 64)}: use asc or desc.`)
}

import { LodgeError } from '../../base/errors.ts'
import { getProject } from '../../store/identity-projects.ts'
import type { Db } from '../../store/store.ts'
import type { ApiRequest, VersionedSchema } from '../common/route.ts'
import { anyString, object, repeated } from '../common/schema-parts.ts'

/** Pieces of schemas and small conversions that several resources of compute use. */

type JsonSchema = Record<string, unknown>
type Properties = Record<string, JsonSchema>

/** Largest integer of Nova's columns. */
export const maxInteger = 2_147_483_647

/** A whole number, or its digits as text. */
export const integerFrom = (minimum: number): JsonSchema => ({
  type: ['integer', 'string'],
  pattern: minimum < 0 ? '^-?[0-9]+$' : '^[0-9]+$',
  minimum,
  maximum: maxInteger,
})

const limit: JsonSchema = repeated({
  type: ['integer', 'string'],
  minLength: 1,
  pattern: '^[0-9]*$',
  minimum: 0,
})
/** Query parameters: any text, and the size of a page. */
export const queryPart = { text: repeated(anyString), limit } as const

/**
 * Query schemas: other keys than `properties` are let through below microversion 2.`strictFrom` and refused from it
 * on. `since` and `until` bound the microversions.
 */
export function querySchemas(
  properties: Properties,
  strictFrom: number,
  bounds: { since?: number; until?: number } = {},
): VersionedSchema[] {
  const { since, until } = bounds
  const schemas: VersionedSchema[] = []
  if (since === undefined || since < strictFrom)
    schemas.push({
      min: since,
      max: Math.min(until ?? strictFrom, strictFrom - 1),
      schema: object(properties, { open: true }),
    })
  if (until === undefined || until >= strictFrom)
    schemas.push({ min: Math.max(since ?? 0, strictFrom), max: until, schema: object(properties) })
  return schemas
}

/** A query of which nothing is read. */
export const emptyQuery = querySchemas({}, 102)

/** The last value of a key of the query: what Nova takes of a repeated one. */
export const queryValue = (request: Pick<ApiRequest, 'query'>, key: string): string | undefined =>
  request.query[key]?.at(-1)

/** A boolean written as a word, in any case; undefined for other words. */
export function parseBoolean(word: string | boolean): boolean | undefined {
  if (typeof word === 'boolean') return word
  const lower = word.trim().toLowerCase()
  if (['1', 't', 'true', 'on', 'y', 'yes'].includes(lower)) return true
  if (['0', 'f', 'false', 'off', 'n', 'no'].includes(lower)) return false
  return undefined
}

/** Throws `badRequest` unless there is a project of this id. */
export async function requireProject(db: Db, projectId: string): Promise<void> {
  if (!(await getProject(db, projectId)))
    throw new LodgeError('badRequest', `Project ID ${projectId} is not a valid project.`)
}

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import type { Call, ComputeBed } from './compute-bed.ts'

/** Nova's own schemas are no part of this project: without them beside the checkout there is nothing to compare with. */
const schemas = join(import.meta.dirname, '../../../shared/nova/schemas')
export const novaIsHere = existsSync(join(schemas, 'index.json'))

interface Range {
  min: string | null
  max: string | null
  ref: string
}
interface NovaRoute {
  method: string
  path: string
  action?: string | null
  min: string | null
  max: string | null
  success: { code: number; min: string | null; max: string | null }[]
  response: Range[]
}

/** A route, and a request for it at each microversion. */
export interface Example {
  route: string
  /** Before each request. */
  prepare?(): Promise<unknown>
  call(version: number): string
  body?(version: number): unknown
  as?: Call['as']
}

/** Sends the request at every microversion of the route, and holds status and body against Nova's. */
export async function holdAgainstNova(bed: ComputeBed, example: Example): Promise<void> {
  const [method, path, action = null] = example.route.split(' ')
  const route = routes().find(
    (candidate) =>
      candidate.method === method && candidate.path === path && (candidate.action ?? null) === action,
  )
  assert.ok(route, `Nova has no ${example.route}`)
  let checked = 0
  for (let version = 1; version <= 104; version += 1) {
    if (!within(version, route)) continue
    const { as } = example
    await example.prepare?.()
    const answer = await bed.call(example.call(version), { as, version, body: example.body?.(version) })
    const at = `${example.route} at 2.${version}`
    const expected = route.success.filter((range) => within(version, range)).map(({ code }) => code)
    assert.ok(expected.includes(answer.status), `${at}: ${answer.status} ${JSON.stringify(answer.body)}`)
    const range = route.response.find((candidate) => within(version, candidate))
    assert.ok(range, `no schema for ${at}`)
    const check = validatorOf(range.ref)
    assert.ok(
      check(answer.body ?? null),
      `${at}: ${JSON.stringify(check.errors)} in ${JSON.stringify(answer.body)}`,
    )
    checked += 1
  }
  assert.ok(checked > 0)
}

let known: NovaRoute[] | undefined
const routes = (): NovaRoute[] =>
  (known ??= (JSON.parse(readFileSync(join(schemas, 'index.json'), 'utf8')) as { routes: NovaRoute[] })
    .routes)

const minorOf = (version: string | null): number | null =>
  version === null ? null : Number(version.split('.')[1])

function within(version: number, range: { min: string | null; max: string | null }): boolean {
  const min = minorOf(range.min)
  const max = minorOf(range.max)
  return (min === null || version >= min) && (max === null || version <= max)
}

const validators = new Map<string, ValidateFunction>()

function validatorOf(ref: string): ValidateFunction {
  const known = validators.get(ref)
  if (known) return known
  const [file = '', pointer = ''] = ref.split('#/defs/')
  const { defs } = JSON.parse(readFileSync(join(schemas, file), 'utf8')) as { defs: Record<string, object> }
  const schema = defs[pointer]
  assert.ok(schema, `no schema ${ref}`)
  const ajv = new Ajv2020({ strict: false, validateSchema: false, unicodeRegExp: false })
  // A CommonJS package: its types say default export, Node gives the module.
  const addFormats = addFormatsModule as unknown as (ajv: Ajv2020) => void
  addFormats(ajv)
  // Names and times are Nova's own formats; times of some resources have no zone.
  ajv.addFormat('name', true)
  ajv.addFormat('date-time', /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?$/)
  const check = ajv.compile(schema)
  validators.set(ref, check)
  return check
}

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { computeBed } from '../support/compute-bed.ts'
import { computeRoutes } from '../../src/api/compute/compute-routes.ts'
import type { PolicyRole, Route } from '../../src/api/common/route.ts'

/**
 * The table of routes held against Nova's: microversions, policies, roles and success codes. Without Nova's data
 * beside the checkout there is nothing to compare with.
 */
const index = join(import.meta.dirname, '../../../shared/nova/schemas/index.json')

interface Range {
  min: string | null
  max: string | null
}
interface NovaRoute extends Range {
  method: string
  path: string
  action: string | null
  removed: boolean
  success: (Range & { code: number })[]
  policies: { name: string; default_role: string }[]
  query: (Range & { ref: string })[]
  request: (Range & { ref: string })[]
}

const roles: Record<string, PolicyRole> = {
  admin: 'admin',
  'project member or admin': 'member',
  'project manager or admin': 'manager',
  'project reader or admin': 'reader',
  'any authenticated': 'any',
  // The handler compares the users.
  '(rule:context_is_admin) or user_id:%(user_id)s': 'any',
  'service or admin': 'service',
}

test('the table of compute agrees with that of Nova', { skip: !existsSync(index) }, async (t) => {
  await using bed = await computeBed()
  const { routes } = JSON.parse(readFileSync(index, 'utf8')) as { routes: NovaRoute[] }
  const shape = (path: string) => path.replaceAll(/\{[^}]*\}|:[a-z_]+/g, ':')
  for (const route of computeRoutes(bed.services)) {
    const action = route.action ?? null
    const name = [route.method, route.path, action].filter(Boolean).join(' ')
    const nova = routes.find(
      (row) => row.method === route.method && shape(row.path) === shape(route.path) && row.action === action,
    )
    await t.test(`${name} ${route.min ?? 1}-${route.max ?? ''}`, () => {
      assert.ok(nova, 'Nova has no such route')
      assert.equal(route.success === 410, nova.removed, 'removed in one of the two only')
      assert.ok((route.min ?? 1) >= (minorOf(nova.min) ?? 1), 'it begins too early')
      assert.ok((route.max ?? 104) <= (minorOf(nova.max) ?? 104), 'it ends too late')
      checkPolicy(route, nova)
      for (let version = route.min ?? 1; version <= (route.max ?? 104); version += 1) {
        const wanted = nova.success.filter((range) => within(version, range)).map(({ code }) => code)
        assert.ok(
          wanted.includes(successAt(route, version)),
          `success at 2.${version} is one of ${wanted.join(', ')}`,
        )
        if (!nova.removed) checkSchemas(route, nova, version)
      }
    })
  }
})

/** Nova checks nothing but the token where it names no policy; we name one all the same. */
function checkPolicy(route: Route, nova: NovaRoute): void {
  const name = `os_compute_api:${route.policy.replace(/^os_compute_api:/, '')}`
  const policy = nova.policies.find(({ name: known }) => known === name || known === route.policy)
  if (policy) assert.equal(route.role, roles[policy.default_role], policy.default_role)
  else
    assert.equal(route.role, 'any', `${name} is none of ${nova.policies.map((one) => one.name).join(', ')}`)
}

/** Where Nova has a schema of the body or a strict one of the query, so must we. */
function checkSchemas(route: Route, nova: NovaRoute, version: number): void {
  const body = nova.request.some((range) => within(version, range))
  assert.equal(
    route.body?.some((range) => includes(range, version)) ?? false,
    body,
    `body schema at 2.${version}`,
  )
  checkBody(route, nova, version)
  const theirs = schemaAt(nova.query, version)
  if (!theirs) return
  const ours = route.query?.find((range) => includes(range, version))?.schema
  const strict = theirs.additionalProperties === false
  assert.equal(ours?.['additionalProperties'] === false, strict, `strict query at 2.${version}`)
  if (strict)
    assert.deepEqual(
      keysOf(ours?.['properties']),
      keysOf(theirs.properties),
      `query parameters at 2.${version}`,
    )
}

/** The properties of the body, and of the object that it usually holds, must have the same names. */
function checkBody(route: Route, nova: NovaRoute, version: number): void {
  const whole = schemaAt(nova.request, version)
  const theirs = route.action === undefined ? whole : whole?.properties?.[route.action]
  const ours = route.body?.find((range) => includes(range, version))?.schema as NovaSchema | undefined
  const names = (schema: NovaSchema | undefined) =>
    Object.entries(schema?.properties ?? {})
      .map(([key, inner]) => `${key}: ${keysOf(inner.properties).join(' ')}`)
      .sort()
  assert.deepEqual(names(ours), names(theirs), `body at 2.${version}`)
}

interface NovaSchema {
  additionalProperties?: boolean
  properties?: Record<string, NovaSchema>
}

function schemaAt(ranges: (Range & { ref: string })[], version: number): NovaSchema | undefined {
  const found = ranges.find((range) => within(version, range))
  if (!found) return undefined
  const [file = '', pointer = ''] = found.ref.split('#/defs/')
  return defsOf(file)[pointer]
}

const files = new Map<string, Record<string, NovaSchema>>()

function defsOf(file: string): Record<string, NovaSchema> {
  const known = files.get(file)
  if (known) return known
  const { defs } = JSON.parse(readFileSync(join(index, '..', file), 'utf8')) as {
    defs: Record<string, NovaSchema>
  }
  files.set(file, defs)
  return defs
}

const keysOf = (value: unknown): string[] => Object.keys((value ?? {}) as object).sort()

function successAt({ success }: Route, version: number): number {
  if (typeof success === 'number') return success
  return success.find((range) => includes(range, version))?.code ?? 0
}

const includes = (range: { min?: number; max?: number }, version: number): boolean =>
  version >= (range.min ?? 0) && version <= (range.max ?? Infinity)

const minorOf = (version: string | null): number | null =>
  version === null ? null : Number(version.split('.')[1])

const within = (version: number, range: Range): boolean =>
  version >= (minorOf(range.min) ?? 0) && version <= (minorOf(range.max) ?? Infinity)

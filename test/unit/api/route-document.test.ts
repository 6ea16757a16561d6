/** docs/api.md is made from the route tables; this holds it to them. UPDATE_GOLDEN=1 writes it anew. */
import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { ApiServices, Route } from '../../../src/api/common/route.ts'
import { computeRoutes } from '../../../src/api/compute/compute-routes.ts'
import { identityRoutes } from '../../../src/api/identity/routes.ts'
import { imageRoutes } from '../../../src/api/image/routes.ts'
import type { FleetDoor } from '../../../src/api/lodge/fleet-door.ts'
import { fleetRoutes } from '../../../src/api/lodge/fleet-routes.ts'
import { lodgeRoutes } from '../../../src/api/lodge/routes.ts'
import { networkRoutes } from '../../../src/api/network/routes.ts'
import { defaultConfig } from '../../../src/base/config.ts'

const document = join(import.meta.dirname, '../../../docs/api.md')

/** Tables are made without being asked anything, so what they would work with may be missing. */
const services = { config: defaultConfig, store: {} } as ApiServices

const tables: [string, string, Route[]][] = [
  ['Compute', '/compute/v2.1', computeRoutes(services)],
  ['Identity', '/identity/v3', identityRoutes(services)],
  ['Image', '/image/v2', imageRoutes(services)],
  ['Network', '/network/v2.0', networkRoutes(services)],
  ['Lodge', '/lodge/v1', [...lodgeRoutes(services), ...fleetRoutes(services, {} as FleetDoor)]],
]

test('docs/api.md tells the routes that there are', () => {
  const text = [
    '# Routes',
    '',
    'Made from the route tables of `src/api` by `test/unit/api/route-document.test.ts`. Versions are minors of',
    'microversion 2.X. The role is who passes the policy by default; each lets an administrator pass.',
    ...tables.flatMap(([name, root, routes]) => ['', `## ${name}: \`${root}\``, '', ...tableOf(routes)]),
    '',
  ].join('\n')
  if (process.env['UPDATE_GOLDEN']) writeFileSync(document, text)
  assert.equal(readFileSync(document, 'utf8'), text, 'run it with UPDATE_GOLDEN=1 and commit docs/api.md')
})

test('no two routes answer the same request', () => {
  for (const [name, , routes] of tables) {
    const seen = new Map<string, Route[]>()
    for (const route of routes) {
      const key = `${route.method} ${route.path.replaceAll(/:\w+/g, ':')} ${route.action ?? ''}`
      const others = seen.get(key) ?? []
      assert.ok(!others.some((other) => overlap(other, route)), `${name}: ${key} is there twice`)
      seen.set(key, [...others, route])
    }
  }
})

const overlap = (one: Route, other: Route): boolean =>
  (one.min ?? 0) <= (other.max ?? Infinity) && (other.min ?? 0) <= (one.max ?? Infinity)

function tableOf(routes: Route[]): string[] {
  const rows = routes.map(({ method, path, action, min, max, role, summary }) => {
    const versions = min === undefined && max === undefined ? '' : `${min ?? 1}–${max ?? ''}`
    return `| ${method} | \`${path}\`${action === undefined ? '' : ` **${action}**`} | ${versions} | ${role} | ${summary} |`
  })
  return ['| method | path | versions | role | what it does |', '|---|---|---|---|---|', ...rows]
}

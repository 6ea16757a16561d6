/**
 * npm run bench [-- --json] [-- SECTION ...]: Lodge beside raw libvirt, in one run on one machine. Sections are
 * `api`, `placement`, `footprint` and `guest`; all of these unless named. Only when named: `fleet [--hosts N]`, which takes
 * some ten minutes and the memory of ten thousand simulated hosts, and `migration`, which needs root. Status 1 when a promise is not kept.
 */
import { parseArgs } from 'node:util'
import { table } from '../../src/cli/table.ts'
import { apiSection } from './api-section.ts'
import { fleetSection } from './fleet-section.ts'
import { footprintSection } from './footprint-section.ts'
import { guestSection } from './guest-section.ts'
import { migrationSection } from './migration-section.ts'
import { placementSection } from './placement-section.ts'
import { figureOf, kept, type Row } from './row.ts'

const sections = {
  api: apiSection,
  placement: placementSection,
  footprint: footprintSection,
  guest: guestSection,
}
const onlyWhenNamed = {
  migration: migrationSection,
  fleet: () => fleetSection(values.hosts === undefined ? {} : { hosts: Number(values.hosts) }),
}

const { values, positionals } = parseArgs({
  options: { json: { type: 'boolean', default: false }, hosts: { type: 'string' } },
  allowPositionals: true,
})
const names = positionals.length > 0 ? positionals : Object.keys(sections)
const known = { ...sections, ...onlyWhenNamed }
const unknown = names.find((name) => !(name in known))
if (unknown !== undefined) {
  console.error(`bench: there is no section '${unknown}'; there are ${Object.keys(known).join(', ')}`)
  process.exit(2)
}
if (values.hosts !== undefined && !/^[1-9]\d{0,4}$/.test(values.hosts)) {
  console.error('bench: --hosts wants a number of simulated hosts')
  process.exit(2)
}

const rows: Row[] = []
for (const name of names) {
  console.error(`bench: ${name} ...`)
  rows.push(...(await known[name as keyof typeof known]()))
}
if (values.json)
  console.log(
    JSON.stringify(
      rows.map((row) => ({ ...row, figure: figureOf(row), kept: kept(row) })),
      null,
      2,
    ),
  )
else console.log(table(['WHAT', 'RAW', 'LODGE', 'FIGURE', 'PROMISE', '', 'RUNS'], rows.map(cells)))
process.exit(rows.every(kept) ? 0 : 1)

function cells(row: Row): string[] {
  const number = (value: number): string => value.toFixed(value < 10 ? 2 : value < 100 ? 1 : 0)
  const { promise } = row
  const isRatio = promise?.kind === 'ratio at most'
  return [
    row.what,
    row.raw === null ? '-' : `${number(row.raw)} ${row.unit}`,
    `${number(row.lodge)} ${row.unit}`,
    isRatio ? `${figureOf(row).toFixed(2)} x` : `${number(figureOf(row))} ${row.unit}`,
    promise ? `${promise.kind} ${promise.value}${isRatio ? ' x' : ` ${row.unit}`}` : '-',
    promise ? (kept(row) ? 'kept' : 'NOT KEPT') : '',
    String(row.count),
  ]
}

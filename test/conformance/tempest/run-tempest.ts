/**
 * `npm run tempest`: Debian's Tempest against a Lodge of its own, with real guests, through the checking proxy where
 * that is at hand. Options, after `--`:
 *   --simulate N      N simulated hosts in place of libvirt: quicker, and with tests that want several hosts
 *   --lab N           a controller and N real hosts in a lab, with agents of their own (needs nats-server)
 *   --match REGEX     of the tests, those that fit
 *   --concurrency N   how many at once; 3 unless told
 *   --keep            leaves the folder with Tempest's and Lodge's logs
 * Ends with status 0 if nothing failed, the proxy saw no difference and each line of skips.txt fits a test.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startCloud, type Hosts } from './cloud.ts'
import { openTempest } from './programs.ts'
import { resultsOf, type Result } from './results.ts'
import { readSkips, select } from './skip-list.ts'
import { tempestConf } from './tempest-conf.ts'

const all = '^tempest\\.api\\.(compute|identity\\.(admin\\.)?v3|image\\.v2)\\.'
const minutes = 25

async function main(): Promise<boolean> {
  const { hosts, match, concurrency, keep } = flags()
  const directory = mkdtempSync(join(tmpdir(), 'lodge-tempest-'))
  // QEMU may run as a user of its own; it has to pass through to the servers' disks.
  chmodSync(directory, 0o711)
  try {
    const cloud = await startCloud(directory, hosts)
    try {
      const tempest = await openTempest(directory, tempestConf(cloud, directory))
      const tests = (await tempest.list(all)).filter((test) => new RegExp(match ?? '').test(test))
      const { run, skipped, unused } = select(tests, readSkips())
      console.log(`${tests.length} tests, of which ${run.length} are run`)
      const results = resultsOf(run, await tempest.run(run, { concurrency, minutes }))
      const checks = await cloud.proxy?.finish()

      console.log('\nNot run, by skips.txt:')
      showCounts([...skipped].map(([reason, those]) => [reason, those.length]))
      console.log("\nSkipped by Tempest for its settings' sake:")
      const byReason = Map.groupBy(ofOutcome(results, 'skipped'), ({ text }) => text)
      showCounts([...byReason].map(([reason, those]) => [reason, those.length]))
      const failed = ofOutcome(results, 'failed')
      for (const { test, text } of failed) console.log(`\nFAILED ${test}\n${ending(text)}`)
      // A part of the tests cannot use the whole list.
      const stale = match === undefined ? unused : []
      for (const { pattern } of stale) console.log(`\nskips.txt: no test fits ${pattern.source}`)
      console.log(`\n${checks?.report ?? 'There is no checking proxy beside this checkout.'}`)
      const notRun = tests.length - run.length
      console.log(
        `${ofOutcome(results, 'passed').length} passed, ${failed.length} failed, ` +
          `${ofOutcome(results, 'skipped').length} skipped for the settings' sake, ${notRun} not run`,
      )
      return run.length > 0 && failed.length + stale.length + (checks?.differences ?? 0) === 0
    } finally {
      await cloud.stop()
    }
  } finally {
    if (keep) console.log(`Logs are in ${directory}`)
    else rmSync(directory, { recursive: true, force: true })
  }
}

const ofOutcome = (results: Result[], outcome: Result['outcome']): Result[] =>
  results.filter((result) => result.outcome === outcome)

function showCounts(rows: [string, number][]): void {
  for (const [text, count] of rows.sort((a, b) => b[1] - a[1]))
    console.log(`${String(count).padStart(5)}  ${text}`)
}

/** The end of a traceback; Tempest has shown the whole above. */
const ending = (text: string): string => text.trim().split('\n').slice(-6).join('\n')

function flags() {
  const { values } = parseArgs({
    options: {
      simulate: { type: 'string' },
      lab: { type: 'string' },
      match: { type: 'string' },
      concurrency: { type: 'string', default: '3' },
      keep: { type: 'boolean', default: false },
    },
  })
  const hosts: Hosts = { kind: 'libvirt', count: 1 }
  if (values.simulate !== undefined)
    Object.assign(hosts, { kind: 'simulated', count: Number(values.simulate) })
  if (values.lab !== undefined) Object.assign(hosts, { kind: 'lab', count: Number(values.lab) })
  return { ...values, hosts, concurrency: Number(values.concurrency) }
}

process.exit((await main()) ? 0 : 1)

/**
 * Runs the named suites one after another with Node's own test runner, each under a time limit:
 *   node test/run.ts check unit functional libvirt
 * `check` is `npm run check`; every other word is a folder of test/ whose `*.test.ts` files are run.
 * Ends with status 1 if one of them failed, after running all.
 */
import { spawnSync } from 'node:child_process'
import { globSync } from 'node:fs'
import { join } from 'node:path'

interface Suite {
  minutes: number
  /** How many files run at once. Suites that share a libvirtd run one at a time. */
  concurrency: number
}

const suites: Record<string, Suite> = {
  unit: { minutes: 5, concurrency: 2 },
  functional: { minutes: 8, concurrency: 2 },
  libvirt: { minutes: 12, concurrency: 1 },
  lab: { minutes: 25, concurrency: 1 },
  conformance: { minutes: 20, concurrency: 1 },
  faults: { minutes: 120, concurrency: 1 },
}

const root = join(import.meta.dirname, '..')

function runCheck(): boolean {
  return (
    spawnSync('npm', ['run', '--silent', 'check'], { cwd: root, stdio: 'inherit', timeout: 300_000 })
      .status === 0
  )
}

function runSuite(name: string, suite: Suite): boolean {
  const files = globSync(`test/${name}/**/*.test.ts`, { cwd: root }).sort()
  if (files.length === 0) {
    console.error(`test/run.ts: no tests in test/${name}`)
    return false
  }
  const timeout = suite.minutes * 60_000
  const result = spawnSync(
    process.execPath,
    [
      '--test',
      '--test-reporter=spec',
      `--test-concurrency=${suite.concurrency}`,
      `--test-timeout=${timeout}`,
      ...files,
    ],
    {
      cwd: root,
      stdio: 'inherit',
      timeout: timeout + 30_000,
      env: { ...process.env, NODE_NO_WARNINGS: '1' },
    },
  )
  return result.status === 0
}

const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => name !== 'check' && !(name in suites))
if (wanted.length === 0 || unknown.length > 0) {
  console.error(`usage: node test/run.ts ${['check', ...Object.keys(suites)].join('|')} ...`)
  process.exit(2)
}

const failed: string[] = []
for (const name of wanted) {
  console.log(`\n== ${name}`)
  const suite = suites[name]
  if (!(suite ? runSuite(name, suite) : runCheck())) failed.push(name)
}
if (failed.length > 0) console.error(`\nfailed: ${failed.join(', ')}`)
process.exit(failed.length > 0 ? 1 : 0)

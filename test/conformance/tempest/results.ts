import { XMLParser } from 'fast-xml-parser'

export interface Result {
  test: string
  outcome: 'passed' | 'failed' | 'skipped'
  /** Why it was skipped, or the traceback. */
  text: string
}

/**
 * What became of each of the tests that were to run, from a JUnit report. One that its class's set-up skipped or
 * failed has the set-up's outcome, and one of which nothing is told has failed: its process has died.
 */
export function resultsOf(tests: string[], junit: string): Result[] {
  const parser = new XMLParser({ ignoreAttributes: false, isArray: (name) => name === 'testcase' })
  const cases: TestCase[] = parser.parse(junit).testsuite?.testcase ?? []
  const told = new Map(cases.map((entry) => [nameOf(entry), entry]))
  const results = tests.map((test): Result => {
    const entry = told.get(test) ?? told.get(`setUpClass (${classOf(test)})`)
    return { test, ...(entry ? outcomeOf(entry) : { outcome: 'failed', text: 'nothing was told of it' }) }
  })
  const tearDowns = [...told].filter(([name]) => name.startsWith('tearDownClass'))
  return [...results, ...tearDowns.map(([test, entry]) => ({ test, ...outcomeOf(entry) }))]
}

function outcomeOf(entry: TestCase): Omit<Result, 'test'> {
  const broken = entry.failure ?? entry.error
  if (broken !== undefined) return { outcome: 'failed', text: textOf(broken) }
  if (entry.skipped !== undefined) return { outcome: 'skipped', text: textOf(entry.skipped).trim() }
  return { outcome: 'passed', text: '' }
}

interface TestCase {
  '@_classname': string
  '@_name': string
  failure?: Part
  error?: Part
  skipped?: Part
}

type Part = string | { '#text'?: string }

const nameOf = (entry: TestCase): string =>
  entry['@_classname'] === '' ? entry['@_name'] : `${entry['@_classname']}.${entry['@_name']}`

const textOf = (part: Part): string => (typeof part === 'string' ? part : (part['#text'] ?? ''))

const classOf = (test: string): string => test.replace(/\.[^.[]+(\[.*)?$/, '')

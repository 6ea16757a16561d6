/** The `lodge` command asked wrongly, or for what cannot be: one line that says what to do, and the right status. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { freePort } from '../support/free-port.ts'
import { startLodge } from '../support/lodge-process.ts'

const main = join(import.meta.dirname, '../../src/main.ts')
const directory = mkdtempSync(join(tmpdir(), 'lodge-words-'))
const at = (...names: string[]): string => join(directory, ...names)

/** A state directory that Lodge made and left in good order. */
const good = at('good')
let port: number

before(async () => {
  port = await freePort()
  const lodge = await startLodge({ state: good, port, flags: ['--simulate', '1'] })
  assert.equal(await lodge.stop(), 0)
  writeFileSync(at('simulated.json'), '{"simulate": {"hosts": 1}}')
})
after(() => rmSync(directory, { recursive: true, force: true }))

interface Ending {
  status: number | null
  out: string
  err: string
}

function lodge(...words: string[]): Promise<Ending> {
  const child = spawn(process.execPath, [main, ...words], { timeout: 20_000, cwd: directory })
  let [out, err] = ['', '']
  child.stdout.on('data', (chunk) => (out += chunk))
  child.stderr.on('data', (chunk) => (err += chunk))
  return new Promise((resolve) => child.once('close', (status) => resolve({ status, out, err })))
}

/** One line on standard error, nothing else, and no trace of where in the program it came from. */
function assertOneLine({ out, err }: Ending, message: RegExp): void {
  assert.equal(out, '')
  assert.match(err, /^lodge[^\n]*\n$/)
  assert.match(err, message)
  assert.doesNotMatch(err, /node:|\.ts\b|undefined|\[object/)
}

const simulated = (state: string): string[] => [
  'up',
  '--state',
  state,
  '--simulate',
  '1',
  '--listen',
  `127.0.0.1:${port}`,
]

test('the version is the one of package.json', async () => {
  const { version } = JSON.parse(readFileSync(join(main, '../../package.json'), 'utf8'))
  assert.deepEqual(await lodge('--version'), { status: 0, out: `lodge ${version}\n`, err: '' })
})

describe('asked for wrongly: status 2', { concurrency: 2 }, () => {
  const cases: [string[], RegExp][] = [
    [['nonsense'], /no command 'nonsense'; 'lodge help'/],
    [['config'], /'lodge help'/],
    [['config', 'shew'], /no command 'config shew'/],
    [['up', '--nonsense'], /Unknown option '--nonsense'; usage: lodge up \[--state DIR\]/],
    [['up', 'more'], /Unexpected argument 'more'; usage/],
    [['up', '--state'], /'--state.*argument missing; usage/],
    [['up', '--state', ''], /stateDirectory/],
    [['up', '--listen', 'here'], /--listen wants HOST:PORT, not 'here'/],
    [['up', '--listen', '127.0.0.1:0'], /listen\.port is 0, but must be >= 1/],
    [['up', '--listen', '127.0.0.1:70000'], /listen\.port is 70000, but must be <= 65535/],
    [['up', '--simulate', 'many'], /--simulate wants a number of hosts, not 'many'/],
    [['up', '--simulate=-1'], /--simulate wants a number/],
    [['up', '--failures', 'spawn=0.1'], /--failures is for simulated hosts: --simulate N/],
    [
      ['up', '--simulate', '1', '--failures', 'spawn=2'],
      /simulate\.failures\.0 is "spawn=2", but must match/,
    ],
    [['up', '--simulate', '1', '--latency', 'spawn=fast'], /simulate\.latencies\.0 is "spawn=fast"/],
    [['up', '--simulate', '1', '--host-failures', 'often'], /--host-failures wants seconds, not 'often'/],
    [
      ['up', '--log-level', 'loud'],
      /log\.level is "loud", but must be one of trace, debug, info, warn, error/,
    ],
    [['up', '--public-url', 'example.org'], /--public-url wants http/],
    [['up', '--state', '/dev/null/state'], /Cannot use \/dev\/null\/state as state directory/],
    [['up', '--state', main], /as state directory/],
    [['status', '--simulate', '1'], /Unknown option '--simulate'; usage: lodge status/],
    [
      ['status', '--state', at('none')],
      /There is no Lodge state in .*none; name the directory with --state DIR/,
    ],
    [['doctor', '--state', at('none')], /There is no Lodge state in/],
    [['config', 'show', '--config', at('none.json')], /Cannot read the settings file .*none\.json/],
    [['config', 'show', '--config', directory], /Cannot read the settings file/],
  ]
  for (const [words, message] of cases)
    test(`lodge ${words.join(' ').replaceAll(directory, '...')}`, async () => {
      const ending = await lodge(...words)
      if (words.includes(main)) ending.err = ending.err.replaceAll(main, 'FILE')
      assertOneLine(ending, message)
      assert.equal(ending.status, 2)
    })
})

describe('a settings file that is wrong: status 2, and the setting is named', { concurrency: 2 }, () => {
  const cases: [string, string | Buffer, RegExp][] = [
    ['empty', '', /is not JSON/],
    ['cut-off', '{"listen": ', /is not JSON/],
    ['bytes', Buffer.from('fffe7b', 'hex'), /is not JSON/],
    ['list', '[]', /the whole is \[\], but must be object/],
    ['null', 'null', /must be object/],
    ['type', '{"simulate": {"hosts": "1"}}', /simulate\.hosts is "1", but must be integer/],
    ['unknown', '{"agent": {"nonsense": 1}}', /there is no setting 'agent\.nonsense'; lodge config show/],
    ['prototype', '{"__proto__": {"region": "x"}}', /there is no setting '__proto__'/],
    ['range', '{"quota": {"cores": -2}}', /quota\.cores is -2, but must be >= -1/],
  ]
  for (const [name, text, message] of cases)
    test(name, async () => {
      const file = at(`${name}.json`)
      writeFileSync(file, text)
      const ending = await lodge('config', 'show', '--config', file)
      assertOneLine(ending, message)
      assert.equal(ending.status, 2)
    })
})

describe('cannot be done now: status 1', () => {
  test('a port that is taken', async () => {
    const other = createServer()
    await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
    const taken = (other.address() as AddressInfo).port
    const ending = await lodge(
      'up',
      '--state',
      at('port'),
      '--simulate',
      '1',
      '--listen',
      `127.0.0.1:${taken}`,
    )
    other.close()
    assertOneLine(ending, /Cannot listen on 127\.0\.0\.1 port \d+: .*already in use/)
    assert.equal(ending.status, 1)
  })

  test('an address that is none of this machine', async () => {
    const ending = await lodge('up', '--state', at('port'), '--simulate', '1', '--listen', '203.0.113.9:8774')
    assertOneLine(ending, /Cannot listen on 203\.0\.113\.9/)
    assert.equal(ending.status, 1)
  })

  test('a libvirt that is not there, and a URI that is none', async () => {
    for (const uri of ['qemu+unix:///system?socket=/nowhere', 'nonsense', 'qemu+tcp://127.0.0.1:1/system']) {
      const words = ['--state', at('uri'), '--listen', `127.0.0.1:${port}`, '--libvirt-uri', uri]
      const ending = await lodge('up', ...words)
      assertOneLine(ending, /Cannot connect to libvirt at /)
      assert.equal(ending.status, 1)
    }
  })

  test('a second one on the same state', async () => {
    const first = await startLodge({ state: at('twice'), port, flags: ['--simulate', '1'] })
    const ending = await lodge('up', '--state', at('twice'), '--simulate', '1', '--listen', '127.0.0.1:1')
    assert.equal((await fetch(`${first.url}/identity/v3`)).status, 200, 'the first one goes on')
    const status = await lodge('status', '--state', at('twice'))
    assert.deepEqual([status.status, status.out.split('\n')[0]], [0, 'Lodge is running.'])
    assert.equal(await first.stop(), 0)
    assertOneLine(ending, /Another Lodge process is using this state directory/)
    assert.equal(ending.status, 1)
  })

  const broken: [string, (state: string) => void, RegExp][] = [
    [
      'a database that is none',
      (state) => writeFileSync(join(state, 'lodge.db'), Buffer.alloc(8192, 'x')),
      /Cannot open the database \S+lodge\.db: file is not a database/,
    ],
    ['a database that was cut off', (state) => truncateSync(join(state, 'lodge.db'), 20_000), /malformed/],
    [
      'a directory for a database',
      (state) => {
        rmSync(join(state, 'lodge.db'))
        mkdirSync(join(state, 'lodge.db'))
      },
      /Cannot open the database/,
    ],
  ]
  for (const [what, spoil, message] of broken)
    test(`${what}, for up, status and doctor`, async () => {
      const state = at(what.replaceAll(' ', '-'))
      cpSync(good, state, { recursive: true })
      for (const name of ['lodge.db-wal', 'lodge.db-shm']) rmSync(join(state, name), { force: true })
      spoil(state)
      for (const words of [
        simulated(state),
        ['status', '--state', state],
        ['doctor', '--state', state, '--config', at('simulated.json')],
      ]) {
        const ending = await lodge(...words)
        assertOneLine(ending, message)
        assert.equal(ending.status, 1)
      }
    })

  test('a journal of the agent and a lock that are none', async () => {
    for (const [name, message] of [
      ['agent/journal.db', /Cannot open the agent's journal/],
      ['lock.db', /Cannot lock the state directory with \S+lock\.db: file is not a database/],
    ] as const) {
      const state = at(name.replace('/', '-'))
      cpSync(good, state, { recursive: true })
      writeFileSync(join(state, name), Buffer.alloc(8192, 'x'))
      const ending = await lodge(...simulated(state))
      assertOneLine(ending, message)
      assert.equal(ending.status, 1)
    }
  })
})

test('an empty database is no state to look at', async () => {
  mkdirSync(at('empty'))
  writeFileSync(at('empty', 'lodge.db'), '')
  const ending = await lodge('status', '--state', at('empty'))
  assertOneLine(ending, /There is no Lodge state/)
  assert.equal(ending.status, 2)
})

test('help is on standard output: of all commands, and of one', async () => {
  for (const words of [['help'], ['--help']]) {
    const { status, out, err } = await lodge(...words)
    assert.deepEqual([status, err], [0, ''])
    for (const name of ['up', 'status', 'doctor', 'config show'])
      assert.match(out, new RegExp(`lodge ${name} \\[`))
  }
  const { status, out } = await lodge('up', '--help')
  assert.equal(status, 0)
  assert.match(out, /^lodge up \[--state DIR\]/)
  const { status: asked, out: listed } = await lodge()
  assert.equal(asked, 2)
  assert.match(listed, /Usage:/)
})

test('what config show prints is a settings file', async () => {
  const { status, out } = await lodge('config', 'show', '--listen', '[::1]:9000', '--state', '/srv/lodge')
  assert.equal(status, 0)
  writeFileSync(at('shown.json'), out)
  assert.deepEqual(
    JSON.parse((await lodge('config', 'show', '--config', at('shown.json'))).out),
    JSON.parse(out),
  )
  assert.equal(JSON.parse(out).listen.host, '::1')
})

test('status of what does not run: status 1; doctor finds nothing in it', async () => {
  const status = await lodge('status', '--state', good)
  assert.equal(status.status, 1)
  assert.match(status.out, /^Lodge is not running\./)
  const doctor = await lodge('doctor', '--state', good, '--config', at('simulated.json'))
  assert.deepEqual([doctor.status, doctor.err], [0, ''])
})

test('what holds secrets is for its owner only', () => {
  for (const name of ['lodge.db', 'clouds.yaml', 'agent/journal.db', 'images']) {
    const mode = statSync(join(good, name)).mode & 0o077
    assert.equal(mode, 0, `${name} is open to others: ${mode.toString(8)}`)
  }
  assert.match(readFileSync(join(good, 'clouds.yaml'), 'utf8'), /password: "/)
})

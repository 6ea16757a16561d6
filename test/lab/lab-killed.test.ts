/** Labs whose process was killed, and labs that stay without one: nothing of them outlives its time. */
import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { openLab } from '../../src/lab/open-lab.ts'
import { readLabRecord } from '../../src/lab/lab-record.ts'
import { startLab } from '../../src/lab/start-lab.ts'
import { until } from '../support/until.ts'
import { marksOf, tracesOf, type LabMarks } from './traces.ts'

const top = mkdtempSync(join(tmpdir(), 'lodge-lab-'))
const main = join(import.meta.dirname, '../../src/main.ts')

after(() => rmSync(top, { recursive: true, force: true }))

describe('a lab that was killed', { timeout: 180_000 }, () => {
  test('ends with the process that started it, and the next one takes its directory', async () => {
    const directory = join(top, 'a')
    const marks = await startAndKill(directory)
    await until('its processes to end', 20_000, () => tracesOf(marks).length === 0)
    assert.throws(() => openLab(directory), { kind: 'notFound' })

    const lab = await startLab({ hosts: 1, directory })
    assert.equal(lab.hosts[0]?.isUp(), true)
    assert.equal(existsSync(join(directory, 'host2')), false)
    await lab.stop()
    assert.equal(existsSync(directory), false)
  })

  test('while its keeper and its starter are killed, `lodge lab down` removes what they left', async () => {
    const directory = join(top, 'b')
    const marks = await startAndKill(directory, () => {
      const keeper = readLabRecord(directory)?.keeper
      assert.ok(keeper)
      process.kill(keeper.pid, 'SIGKILL')
    })
    assert.equal(lodge('lab', 'down', '--dir', directory).status, 0)
    assert.deepEqual(tracesOf(marks), [])
    assert.equal(existsSync(directory), false)
  })
})

describe('lodge lab', { timeout: 180_000 }, () => {
  const directory = join(top, 'c')
  const lab = (verb: string, ...words: string[]): ReturnType<typeof lodge> =>
    lodge('lab', verb, '--dir', directory, ...words)

  test('up, sh, cut, mend, kill, start, status, down', () => {
    try {
      const up = lab('up', '--bare', '--hosts', '2')
      assert.equal(up.status, 0, up.err)
      assert.match(up.out, /host1 is up: 10\.77\.0\.1 .*\n.*host2 is up/)
      const marks = marksOf(openLab(directory))

      assert.deepEqual(lab('sh', '2', 'hostname'), { status: 0, out: 'host2\n', err: '' })
      assert.equal(lab('sh', '1', 'sh', '-c', 'exit 7').status, 7)
      assert.equal(lab('sh', '1', 'virsh', '--help').status, 0)

      assert.equal(lab('cut', '2').status, 0)
      assert.match(lab('status').out, /^2 +host2 +up +cut +0 /m)
      assert.equal(lab('mend', '2').status, 0)
      assert.match(lab('status').out, /^2 +host2 +up +up +0 /m)
      assert.equal(lab('kill', '2', 'libvirtd').status, 0)
      assert.match(lab('kill', 'nats').err, /nats does not run/)
      assert.equal(lab('kill', '2').status, 0)
      assert.match(lab('status').out, /^2 +host2 +down +- +- /m)
      assert.equal(lab('start', '2').status, 0)
      assert.match(lab('status').out, /^2 +host2 +up +up +0 /m)

      const last = marksOf(openLab(directory)) // host 2 has new namespaces
      assert.equal(lab('down').status, 0)
      assert.deepEqual([...tracesOf(marks), ...tracesOf(last)], [])
      assert.equal(existsSync(directory), false)
      assert.equal(lab('down').status, 0)
    } finally {
      lab('down')
    }
  })

  test('asked wrongly, says what to do', () => {
    const wrong = (words: string[], message: RegExp, status: number): void => {
      const answer = lodge('lab', ...words)
      assert.match(answer.err, message)
      assert.match(answer.err, /^lodge[^\n]*\n$/)
      assert.equal(answer.status, status)
    }
    wrong(['status', '--dir', directory], /No lab runs in .*; 'lodge lab up --dir /, 1)
    wrong(['kill'], /kill what\?/, 2)
    wrong(['kill', '--dir', directory, '1', '2'], /agent or libvirtd can be killed, not '2'/, 2)
    wrong(['kill', '--dir', directory, 'nats', '2'], /'2' is one word too many/, 2)
    wrong(['cut'], /which host/, 2)
    wrong(['up', '--hosts', 'many'], /--hosts wants a number/, 2)
    wrong(['up', '--hosts', '0', '--dir', directory], /1 to 200 hosts/, 2)
    wrong(['up', '--dir', `${directory}/${'x'.repeat(80)}`], /too long/, 2)
    wrong(['up', '--dir', '/run/lab'], /has a \/run of its own/, 2)
    wrong(['up', '--dir', `${directory} b`], /letters, digits/, 2)
    wrong(['up', '--host', '3'], /Unknown option '--host'/, 2)
    wrong(['sh'], /which host/, 2)
  })
})

/** Starts a lab in a process of its own and kills that with SIGKILL, after `first`. */
async function startAndKill(directory: string, first: () => void = () => undefined): Promise<LabMarks> {
  const script = join(top, 'start.ts')
  const module = join(import.meta.dirname, '../../src/lab/start-lab.ts')
  writeFileSync(
    script,
    `import { startLab } from ${JSON.stringify(module)}
     await startLab({ hosts: 2, directory: process.argv[2] })
     console.log('up')
     setInterval(() => undefined, 1000)`,
  )
  const starter = spawn(process.execPath, [script, directory], { stdio: ['ignore', 'pipe', 'inherit'] })
  let out = ''
  starter.stdout.on('data', (chunk) => (out += chunk))
  await until('the lab', 60_000, () => out === 'up\n' || starter.exitCode !== null)
  const marks = marksOf(openLab(directory))
  assert.notDeepEqual(tracesOf(marks), [])
  first()
  starter.kill('SIGKILL')
  return marks
}

function lodge(...words: string[]): { status: number | null; out: string; err: string } {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...words], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, NODE_NO_WARNINGS: '1' },
  })
  return { status, out: stdout, err: stderr }
}

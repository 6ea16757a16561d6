import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'

const root = join(import.meta.dirname, '../../..')
const units = readdirSync(join(root, 'systemd')).filter((name) => name.endsWith('.service'))

let directory: string
before(() => void (directory = mkdtempSync(join(tmpdir(), 'lodge-units-'))))
after(() => rmSync(directory, { recursive: true, force: true }))

test('there is a unit for each way to run', () => {
  assert.deepEqual(units.sort(), ['lodge-agent.service', 'lodge-controller.service', 'lodge.service'])
})

for (const unit of units) {
  const text = readFileSync(join(root, 'systemd', unit), 'utf8')

  test(`systemd finds no fault in ${unit}`, () => {
    const copy = join(directory, unit)
    // verify wants programs that exist; Lodge is not in /opt on the machine of the test.
    writeFileSync(copy, text.replaceAll('/opt/lodge/node_modules/.bin/node', process.execPath))
    const { status, stdout, stderr } = verify(copy)
    assert.equal(stdout + stderr, '')
    assert.equal(status, 0)
  })

  test(`${unit} starts a program of this checkout`, () => {
    const [, node = '', program = ''] = /^ExecStart=(\S+) (\S+) (?:up|agent|controller)\b/m.exec(text) ?? []
    for (const path of [node, program]) assert.ok(existsSync(path.replace('/opt/lodge', root)), path)
  })

  test(`${unit} is watched, and leaves guests alone`, () => {
    for (const line of ['Type=notify', 'WatchdogSec=30', 'Restart=on-failure', 'KillMode=mixed'])
      assert.ok(text.split('\n').includes(line), line)
    // Would stop guests with the unit, or the unit with libvirtd.
    assert.doesNotMatch(text, /^(BindsTo|Requires|PartOf)=/m)
  })
}

test('verify notices a wrong setting', () => {
  const copy = join(directory, 'wrong.service')
  writeFileSync(copy, `[Service]\nExecStart=${process.execPath}\nWatchdogSec=often\n`)
  assert.match(verify(copy).stderr, /wrong\.service:3: .*often/)
})

/** Without a manager to ask, as in a container, only the named units are looked at. */
function verify(path: string) {
  return spawnSync('systemd-analyze', ['verify', '--man=no', '--recursive-errors=no', path], {
    encoding: 'utf8',
    timeout: 60_000,
    env: { ...process.env, XDG_RUNTIME_DIR: directory },
  })
}

import assert from 'node:assert/strict'
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { buildGuestImage, type GuestImage } from '../guest/build-guest-image.ts'

let directory: string
let image: GuestImage
const running: ChildProcess[] = []

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-guest-'))
  image = await buildGuestImage({ directory })
})

after(() => {
  for (const machine of running) machine.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

test('the same parts give the same bytes', async () => {
  const again = await buildGuestImage({ directory: join(directory, 'again') })
  assert.equal(again.sha256, image.sha256)
  assert.notEqual(again.path, image.path)
})

test('an image that is there already is taken as it is', async () => {
  const started = performance.now()
  const again = await buildGuestImage({ directory })
  assert.deepEqual(again, image)
  assert.ok(performance.now() - started < 2_000)
})

test('it boots, greets, takes a login, counts its boots and goes off by the power button', async () => {
  const first = boot('pc')
  await first.says(/^=== Lodge test guest ===/m)
  await first.says(/^boot 1\r$/m)
  await first.says(/^uuid 11111111-2222-4333-8444-555555555555\r$/m)
  await first.says(/^disk vda 33554432 bytes\r$/m)
  await first.says(/^lodge-guest login: /m)
  first.types('root\n')
  await first.says(/\/ # /)
  first.types('echo kept-$((40 + 2)) >/mnt/note; sync; echo written\n')
  await first.says(/^written\r$/m)
  await first.says(/tick 1\r$/m)
  await first.pressPowerButton()

  const second = boot('q35')
  await second.says(/^boot 2\r$/m)
  await second.says(/^lodge-guest login: /m)
  second.types('root\n')
  await second.says(/\/ # /)
  second.types('cat /mnt/note\n')
  await second.says(/^kept-42\r$/m)
  await second.pressPowerButton()
})

/** Starts QEMU on the image with its serial console on a pipe. Every wait ends after at most a minute. */
function boot(machine: 'pc' | 'q35') {
  const control = join(directory, `${machine}.qmp`)
  const options = {
    accel: 'tcg',
    machine,
    m: '128',
    display: 'none',
    uuid: '11111111-2222-4333-8444-555555555555',
    drive: `file=${image.path},if=virtio,format=${image.format}`,
    serial: 'stdio',
    qmp: `unix:${control},server=on,wait=off`,
  }
  const named = Object.entries(options).flatMap(([name, value]) => [`-${name}`, value])
  const qemu = spawn('qemu-system-x86_64', [...named, '-nodefaults', '-no-reboot'])
  running.push(qemu)
  const exited = once(qemu, 'exit')
  let console = ''
  for (const stream of [qemu.stdout, qemu.stderr])
    stream.on('data', (data: Buffer) => (console += data.toString()))

  return {
    types: (text: string) => void qemu.stdin.write(text),

    async says(line: RegExp): Promise<void> {
      for (const end = Date.now() + 60_000; !line.test(console); await delay(50))
        assert.ok(Date.now() < end && qemu.exitCode === null, `the guest never said ${line}:\n${console}`)
    },

    async pressPowerButton(): Promise<void> {
      const socket = connect(control)
      socket.on('error', () => {})
      for (const execute of ['qmp_capabilities', 'system_powerdown'])
        socket.write(JSON.stringify({ execute }))
      const [code] = await Promise.race([exited, delay(30_000, ['still running'], { ref: false })])
      socket.destroy()
      assert.equal(code, 0, console)
      assert.match(console, /power button, going down/)
    },
  }
}

/**
 * python-openstackclient against a running Lodge with a real guest, through the checking proxy where that is at
 * hand: every step ends with status 0 and says what a Nova user would read.
 */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { promisify } from 'node:util'
import { buildGuestImage } from '../guest/build-guest-image.ts'
import { freePort } from '../support/free-port.ts'
import { startLodge, type LodgeProcess } from '../support/lodge-process.ts'
import { startPrivateLibvirtd, type PrivateLibvirtd } from '../support/private-libvirtd.ts'
import { until } from '../support/until.ts'
import { proxyIsThere, startCheckingProxy, type CheckingProxy } from './checking-proxy.ts'

const run = promisify(execFile)
const microversion = '2.90'

let directory: string
let libvirtd: PrivateLibvirtd
let lodge: LodgeProcess
let proxy: CheckingProxy | undefined
let image: string

before(async () => {
  directory = mkdtempSync(join(tmpdir(), 'lodge-osc-'))
  libvirtd = await startPrivateLibvirtd({ dir: directory })
  image = (await buildGuestImage({ directory })).path
  const port = await freePort()
  proxy = proxyIsThere ? await startCheckingProxy(port) : undefined
  const settings = join(directory, 'lodge.json')
  writeFileSync(
    settings,
    JSON.stringify({
      publicUrls: proxy ? { compute: proxy.computeUrl } : {},
      // The guest of these tests goes off at the power button; one that does not should not hold up the run.
      agent: { shutdownTimeoutSeconds: 20, shutdownRetrySeconds: 3 },
    }),
  )
  const state = join(directory, 'state')
  lodge = await startLodge({ state, port, flags: ['--libvirt-uri', libvirtd.uri, '--config', settings] })
})

after(async () => {
  await lodge?.stop()
  await libvirtd?.stop()
  rmSync(directory, { recursive: true, force: true })
})

/** Runs `openstack` with the words of `line` (split at blanks), and returns what it printed. */
async function openstack(line: string, ...more: string[]): Promise<string> {
  const env = {
    ...process.env,
    OS_CLIENT_CONFIG_FILE: lodge.cloudsFile,
    OS_CLOUD: 'lodge',
    OS_COMPUTE_API_VERSION: microversion,
  }
  const words = [...line.split(' '), ...more]
  try {
    return (await run('openstack', words, { env, timeout: 120_000 })).stdout
  } catch (error) {
    const { stderr, stdout } = error as { stderr: string; stdout: string }
    assert.fail(`openstack ${words.join(' ')}\n${stdout}${stderr}`)
  }
}

async function json<T>(line: string, ...more: string[]): Promise<T> {
  return JSON.parse(await openstack(`${line} -f json`, ...more))
}

const statusOf = async (name: string): Promise<string> =>
  (await json<{ status: string }>(`server show ${name} -c status`)).status

const reaches = (name: string, status: string): Promise<true> =>
  until(`${name} to become ${status}`, 90_000, async () =>
    (await statusOf(name)) === status ? true : undefined,
  )

test('a server lives its life in the hands of the openstack client', { timeout: 900_000 }, async (t) => {
  const step = (name: string, work: () => Promise<void>): Promise<void> => t.test(name, work)

  await step('token issue', async () => {
    const token = await json<Record<string, string>>('token issue')
    assert.match(token['id'] ?? '', /.{30,}/)
    assert.match(token['project_id'] ?? '', /^[0-9a-f]{32}$/)
  })
  await step('catalog list', async () => {
    const catalog = await json<{ Type: string }[]>('catalog list')
    assert.deepEqual(catalog.map(({ Type }) => Type).sort(), ['compute', 'identity', 'image', 'network'])
  })
  await step('image create', async () => {
    const made = await json<{ status: string }>(
      `image create --disk-format qcow2 --container-format bare --public --file ${image} tiny`,
    )
    assert.ok(['active', 'queued'].includes(made.status))
    assert.equal((await json<{ status: string }>('image show tiny')).status, 'active')
  })
  await step('flavor create', async () => {
    const flavor = await json<{ ram: number }>('flavor create --id t1 --ram 128 --disk 1 --vcpus 1 t1.tiny')
    assert.equal(flavor.ram, 128)
    assert.equal((await json<unknown[]>('flavor list')).length, 1)
    await openstack('flavor set --property hw:cpu_sockets=1 t1.tiny')
    assert.equal((await json<{ properties: object }>('flavor show t1.tiny')).properties !== undefined, true)
  })
  await step('keypair create', async () => {
    await run('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', join(directory, 'key')])
    const pair = await json<{ fingerprint: string }>(`keypair create --public-key ${directory}/key.pub k1`)
    assert.match(pair.fingerprint, /^([0-9a-f]{2}:){15}[0-9a-f]{2}$/)
    assert.equal((await json<unknown[]>('keypair list')).length, 1)
    await openstack('keypair show k1')
  })
  await step('server create --wait', async () => {
    const server = await json<{ status: string }>(
      'server create --image tiny --flavor t1.tiny --key-name k1 --nic none --property role=web --wait s1',
    )
    assert.equal(server.status, 'ACTIVE')
  })
  await step('server list', async () => {
    const rows = await json<{ Name: string; Status: string; Image: string }[]>('server list')
    assert.deepEqual(
      rows.map(({ Name, Status, Image }) => ({ Name, Status, Image })),
      [{ Name: 's1', Status: 'ACTIVE', Image: 'tiny' }],
    )
    assert.equal((await json<unknown[]>('server list --all-projects --long')).length, 1)
  })
  await step('server show', async () => {
    const server = await json<Record<string, unknown>>('server show s1')
    assert.equal(server['OS-EXT-STS:vm_state'], 'active')
    assert.equal(server['key_name'], 'k1')
    assert.match(JSON.stringify(server['properties']), /role.*web/)
  })
  await step('console log show', async () => {
    const banner = await until('the guest to say who it is', 60_000, async () => {
      const text = await openstack('console log show s1')
      return text.includes('login:') ? text : undefined
    })
    assert.match(banner, /Lodge test guest/)
    assert.ok((await openstack('console log show --lines 2 s1')).split('\n').length <= 4)
  })
  for (const [action, status] of [
    ['pause', 'PAUSED'],
    ['unpause', 'ACTIVE'],
    ['suspend', 'SUSPENDED'],
    ['resume', 'ACTIVE'],
    ['stop', 'SHUTOFF'],
    ['start', 'ACTIVE'],
  ] as const) {
    await step(`server ${action}`, async () => {
      await openstack(`server ${action} s1`)
      await reaches('s1', status)
    })
  }
  await step('server reboot --hard --wait', async () => {
    await openstack('server reboot --hard --wait s1')
    assert.equal(await statusOf('s1'), 'ACTIVE')
  })
  await step('server reboot --soft --wait', async () => {
    await until('the guest to be able to reboot', 60_000, async () =>
      (await openstack('console log show s1')).includes('login:'),
    )
    await openstack('server reboot --soft --wait s1')
    assert.equal(await statusOf('s1'), 'ACTIVE')
  })
  await step('server set, lock, unlock', async () => {
    await openstack('server set --name s1b --property tier=2 s1')
    await openstack('server lock s1b')
    assert.equal((await json<{ locked: boolean }>('server show s1b')).locked, true)
    await openstack('server unlock s1b')
    await openstack('server set --name s1 s1b')
    await openstack('server unset --property tier s1')
  })
  await step('server image create --wait', async () => {
    await openstack('server image create --name snap --wait s1')
    assert.equal((await json<{ status: string }>('image show snap')).status, 'active')
  })
  await step('server backup create --wait', async () => {
    for (const name of ['monday', 'tuesday'])
      await openstack(`server backup create --name ${name} --type daily --rotate 1 --wait s1`)
    const images = await json<{ Name: string }[]>('image list')
    assert.deepEqual(images.map(({ Name }) => Name).sort(), ['snap', 'tiny', 'tuesday'])
  })
  await step('boot from that image', async () => {
    await openstack('server create --image snap --flavor t1.tiny --nic none --wait s2')
    const console2 = await until('the second guest to come up', 60_000, async () => {
      const text = await openstack('console log show s2')
      return text.includes('login:') ? text : undefined
    })
    // The guest counts its boots on its disk: a snapshot of one that booted is past its first.
    assert.match(console2, /boot ([2-9]|\d\d)/i)
  })
  await step('server rebuild --wait', async () => {
    const before = await json<{ id: string }>('server show s2')
    await openstack('server rebuild --image tiny --wait s2')
    const shown = await json<{ id: string; status: string; image: string }>('server show s2')
    assert.deepEqual([shown.id, shown.status], [before.id, 'ACTIVE'])
    assert.match(shown.image, /^tiny /)
    const anew = await until('the rebuilt guest to come up', 60_000, async () => {
      const text = await openstack('console log show s2')
      return text.includes('login:') ? text : undefined
    })
    assert.match(anew, /boot 1\b/i)
  })
  await step('server event list and show', async () => {
    const events = await json<{ Action: string; 'Request ID': string }[]>('server event list s1')
    const names = events.map((event) => event.Action)
    for (const name of [
      'create',
      'pause',
      'unpause',
      'suspend',
      'resume',
      'stop',
      'start',
      'reboot',
      'createImage',
    ])
      assert.ok(names.includes(name), `${name} is among ${names}`)
    const create = events.find((event) => event.Action === 'create')!['Request ID']
    const shown = await openstack(`server event show s1 ${create}`)
    assert.match(shown, /compute__do_build_and_run_instance/)
  })
  await step('hypervisors, services, zones, limits, quotas', async () => {
    const [hypervisor] = await json<Record<string, string>[]>('hypervisor list')
    assert.equal(hypervisor?.['State'], 'up')
    await openstack(`hypervisor show ${hypervisor?.['Hypervisor Hostname']}`)
    const services = await json<{ Binary: string; State: string }[]>('compute service list')
    assert.ok(services.some((service) => service.Binary === 'nova-compute' && service.State === 'up'))
    assert.ok((await json<unknown[]>('availability zone list --compute')).length >= 1)
    const limits = await json<{ Name: string; Value: number }[]>('limits show --absolute')
    assert.equal(limits.find((limit) => limit.Name === 'totalInstancesUsed')?.Value, 2)
    await openstack('quota show')
  })
  await step('server delete --wait', async () => {
    await openstack('server delete --wait s1 s2')
    assert.deepEqual(await json<unknown[]>('server list'), [])
  })
  await step('image, keypair and flavor delete', async () => {
    await openstack('image delete snap tiny tuesday')
    await openstack('keypair delete k1')
    await openstack('flavor delete t1.tiny')
  })
  await step('users, projects and roles', async () => {
    await openstack('project create p1')
    await openstack('user create --project p1 --password secret-of-u1 u1')
    await openstack('role add --project p1 --user u1 member')
    assert.equal((await json<unknown[]>('role assignment list --project p1 --names')).length, 1)
    await openstack('user delete u1')
    await openstack('project delete p1')
  })
  await step('the doctor finds nothing', async () => {
    const main = join(import.meta.dirname, '../../src/main.ts')
    const words = [main, 'doctor', '--state', join(directory, 'state'), '--libvirt-uri', libvirtd.uri]
    assert.match((await run(process.execPath, words)).stdout, /nothing found/)
  })
  const withoutProxy = !proxyIsThere && 'no checking proxy beside this checkout'
  await t.test('the proxy saw no difference from Nova', { skip: withoutProxy }, async () => {
    const { report, checked, differences } = await proxy!.finish()
    assert.ok(checked > 100, report)
    assert.equal(differences, 0, report)
  })
})

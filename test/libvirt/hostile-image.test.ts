/** Images made to read other files or to eat memory, against the whole product with a real libvirt and QEMU. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { createHash, randomUUID } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { after, before, describe, test } from 'node:test'
import { assertFault } from '../support/fault-shape.ts'
import { makeBed, type Bed } from '../support/bed.ts'
import { until } from '../support/until.ts'

let bed: Bed
before(async () => {
  bed = await makeBed()
})
after(() => bed?.remove())

const sample = (name: string): string => join(bed.directory, name)
const qemuImg = (...words: string[]): string =>
  execFileSync('qemu-img', words, { cwd: bed.directory, encoding: 'utf8', timeout: 60_000 })
const secret = 'the host’s own secret'

interface Crafted {
  name: string
  /** What its owner says that it is. */
  declared: string
  reason: RegExp
  make(file: string): void
}

const qcow2 = (file: string, ...words: string[]): string =>
  qemuImg('create', '-q', '-f', 'qcow2', ...words, file, '1M')

function edited(file: string, edit: (bytes: Buffer) => void): void {
  qcow2(file)
  const bytes = readFileSync(file)
  edit(bytes)
  writeFileSync(file, bytes)
}

const descriptor = (type: string, extent: string): string =>
  `# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="${type}"\n${extent}\n`

const crafted: Crafted[] = [
  {
    name: 'qcow2 with a backing file (CVE-2011-3147)',
    declared: 'qcow2',
    reason: /backing file/,
    make: (file) => qcow2(file, '-u', '-b', '/etc/passwd', '-F', 'raw'),
  },
  {
    name: 'qcow2 with a backing file named in JSON',
    declared: 'qcow2',
    reason: /backing file/,
    make: (file) => qcow2(file, '-u', '-F', 'raw', '-b', 'json:{"driver":"file","filename":"/etc/passwd"}'),
  },
  {
    name: 'qcow2 with a data file (CVE-2024-32498)',
    declared: 'qcow2',
    reason: /external/,
    make: (file) => qcow2(file, '-o', `data_file=${file}.data`),
  },
  {
    name: 'qcow2 with a data file, declared raw (CVE-2024-40767)',
    declared: 'raw',
    reason: /declared to be raw, and its content is qcow2/,
    make: (file) => qcow2(file, '-o', `data_file=${file}.data`),
  },
  {
    name: 'qcow2 with a data file, declared an ISO',
    declared: 'iso',
    reason: /content is qcow2/,
    make: (file) => qcow2(file, '-o', `data_file=${file}.data`),
  },
  {
    name: 'raw, declared qcow2',
    declared: 'qcow2',
    reason: /declared to be qcow2, and its content is raw/,
    make: (file) => writeFileSync(file, Buffer.alloc(1 << 20, 'raw')),
  },
  {
    name: 'VMDK descriptor that names /etc/passwd (CVE-2022-47951)',
    declared: 'vmdk',
    reason: /several files/,
    make: (file) => writeFileSync(file, descriptor('monolithicFlat', 'RW 8 FLAT "/etc/passwd" 0')),
  },
  {
    name: 'the same behind blank lines, declared raw',
    declared: 'raw',
    reason: /content is vmdk/,
    make: (file) => writeFileSync(file, `\n\n${descriptor('monolithicFlat', 'RW 8 FLAT "/etc/passwd" 0')}`),
  },
  {
    name: 'VMDK of one file whose inner descriptor names /etc/passwd',
    declared: 'vmdk',
    reason: /type "monolithicFlat"|another file/,
    make: (file) => {
      qemuImg('create', '-q', '-f', 'vmdk', '-o', 'subformat=monolithicSparse', file, '1M')
      const bytes = readFileSync(file)
      const text = Buffer.alloc(20 * 512)
      text.write(descriptor('monolithicFlat', 'RW 8 FLAT "/etc/passwd" 0'))
      text.copy(bytes, 512)
      writeFileSync(file, bytes)
    },
  },
  {
    name: 'VMDK with a parent',
    declared: 'vmdk',
    reason: /parent/,
    make: (file) => {
      qemuImg('create', '-q', '-f', 'vmdk', `${file}.base`, '1M')
      qemuImg('create', '-q', '-f', 'vmdk', '-b', `${file}.base`, '-F', 'vmdk', file)
    },
  },
  {
    name: 'qcow2 of 8 EiB (CVE-2013-2096)',
    declared: 'qcow2',
    reason: /virtual size/,
    make: (file) => edited(file, (bytes) => bytes.writeBigUInt64BE(1n << 63n, 24)),
  },
  {
    name: 'qcow2 with a huge L1 table (CVE-2015-5162)',
    declared: 'qcow2',
    reason: /L1 table/,
    make: (file) => edited(file, (bytes) => bytes.writeUInt32BE(0xffff_ffff, 36)),
  },
  {
    name: 'qcow2 with a huge refcount table',
    declared: 'qcow2',
    reason: /refcount table/,
    make: (file) => edited(file, (bytes) => bytes.writeUInt32BE(0xffff_ffff, 56)),
  },
  {
    name: 'qcow2 with features that nobody knows',
    declared: 'qcow2',
    reason: /features that are not known/,
    make: (file) => edited(file, (bytes) => bytes.writeBigUInt64BE(1n << 40n, 72)),
  },
  {
    name: 'qcow2 that ends in its header',
    declared: 'qcow2',
    reason: /cannot be used/,
    make: (file) => {
      qcow2(file)
      writeFileSync(file, readFileSync(file).subarray(0, 60))
    },
  },
  {
    name: 'LUKS, declared raw',
    declared: 'raw',
    reason: /content is luks/,
    make: (file) =>
      writeFileSync(file, Buffer.concat([Buffer.from('LUKS\u00ba\u00be', 'latin1'), Buffer.alloc(4096)])),
  },
  {
    name: 'VHD that builds on another disk',
    declared: 'vhd',
    reason: /VHD/,
    make: (file) => {
      qemuImg('create', '-q', '-f', 'vpc', file, '1M')
      const bytes = readFileSync(file)
      bytes.writeUInt32BE(4, 60)
      writeFileSync(file, bytes)
    },
  },
  { name: 'nothing', declared: 'raw', reason: /empty/, make: (file) => writeFileSync(file, '') },
]

const fileOf = (one: Crafted): string => {
  const file = sample(`crafted-${crafted.indexOf(one)}`)
  if (!existsSync(file)) one.make(file)
  return file
}

async function newImage(declared: string, more: object = {}): Promise<string> {
  const wanted = { name: 'crafted', disk_format: declared, container_format: 'bare', ...more }
  return (await bed.api.must('POST', '/image/v2/images', wanted)).body.id
}

describe('at the upload', () => {
  for (const one of crafted)
    test(`${one.name}: 400, and nothing is kept`, async () => {
      const id = await newImage(one.declared)
      const answer = await bed.api.call('PUT', `/image/v2/images/${id}/file`, readFileSync(fileOf(one)))
      assert.equal(answer.status, 400, JSON.stringify(answer.body))
      assertFault('image', 400, answer.body, one.name)
      assert.match(answer.body.error.message, one.reason)
      assert.doesNotMatch(answer.body.error.message, /root:x:0/)
      const { body } = await bed.api.must('GET', `/image/v2/images/${id}`)
      assert.deepEqual([body.status, body.size, body.checksum], ['queued', null, null])
      assert.equal((await bed.api.call('GET', `/image/v2/images/${id}/file`)).status, 204)
      assert.ok(!readdirSync(join(bed.state, 'images')).some((name) => name.startsWith(id)))
      const server = { name: 'x', imageRef: id, flavorRef: bed.flavorId, networks: 'none' }
      assert.equal((await bed.api.call('POST', '/compute/v2.1/servers', { server })).status, 400)
      await bed.api.must('DELETE', `/image/v2/images/${id}`)
    })

  test('a container that nobody looks into gets nobody to boot from it, nor does a declaration made later', async () => {
    const id = await newImage('qcow2', { container_format: 'ovf' })
    await bed.api.must('PUT', `/image/v2/images/${id}/file`, readFileSync(fileOf(crafted[0]!)))
    const server = { name: 'x', imageRef: id, flavorRef: bed.flavorId, networks: 'none' }
    const boot = await bed.api.call('POST', '/compute/v2.1/servers', { server })
    assert.equal(boot.status, 400, JSON.stringify(boot.body))
    for (const [path, value] of [
      ['/container_format', 'bare'],
      ['/disk_format', 'raw'],
      ['/status', 'active'],
      ['/checksum', 'a'.repeat(32)],
      ['/os_hash_value', 'a'.repeat(128)],
      ['/virtual_size', 1],
      ['/file', '/etc/passwd'],
      ['/locations', [{ url: 'file:///etc/passwd' }]],
      ['/direct_url', 'file:///etc/passwd'],
    ]) {
      const patch = [{ op: 'replace', path, value }]
      const type = { 'content-type': 'application/openstack-images-v2.1-json-patch' }
      const { status } = await bed.api.call('PATCH', `/image/v2/images/${id}`, patch, type)
      assert.ok(status === 400 || status === 403 || status === 409, `${path}: ${status}`)
    }
    await bed.api.must('DELETE', `/image/v2/images/${id}`)
  })

  test('larger than the flavor’s disk: refused before a server is made (CVE-2013-2096)', async () => {
    const file = sample('large')
    qemuImg('create', '-q', '-f', 'qcow2', file, '1T')
    const id = await newImage('qcow2')
    await bed.api.must('PUT', `/image/v2/images/${id}/file`, readFileSync(file))
    const server = { name: 'x', imageRef: id, flavorRef: bed.flavorId, networks: 'none' }
    const boot = await bed.api.call('POST', '/compute/v2.1/servers', { server })
    assert.equal(boot.status, 400, JSON.stringify(boot.body))
    assertFault('compute', 400, boot.body, 'boot')
    await bed.api.must('DELETE', `/image/v2/images/${id}`)
  })
})

describe('behind the API’s back', () => {
  /** An image whose file is put there by hand; with `believed` its record says what the file truly is. */
  async function swapped(one: Crafted, believed: boolean): Promise<string> {
    const id = await newImage(one.declared)
    const bytes = readFileSync(fileOf(one))
    writeFileSync(join(bed.state, 'images', id), bytes, { mode: 0o600 })
    const sha512 = believed ? createHash('sha512').update(bytes).digest('hex') : 'a'.repeat(128)
    const database = new DatabaseSync(join(bed.state, 'lodge.db'))
    database.exec('PRAGMA busy_timeout = 5000')
    database
      .prepare(
        "UPDATE images SET status = 'active', size = ?, os_hash_value = ?, virtual_size = 1024 WHERE id = ?",
      )
      .run(bytes.length, sha512, id)
    database.close()
    return id
  }

  const hostFiles = (): string[] =>
    readdirSync(join(bed.state, 'agent'), { recursive: true, encoding: 'utf8' })
      .filter((name) => !/journal\.db/.test(name))
      .sort()
  const domains = (): string =>
    execFileSync('virsh', ['-q', '-c', bed.libvirtd.uri, 'list', '--all', '--uuid'], {
      encoding: 'utf8',
    }).trim()

  async function refusedByTheAgent(one: Crafted, believed: boolean, reason: RegExp): Promise<void> {
    const imageRef = await swapped(one, believed)
    const id = await bed.create('victim', { imageRef })
    const server = (await bed.reach(id, ['ACTIVE', 'ERROR'])) as {
      status: string
      fault?: { message: string }
    }
    assert.equal(server.status, 'ERROR')
    assert.match(server.fault?.message ?? '', reason)
    assert.ok(!hostFiles().some((name) => name.includes(id)), hostFiles().join())
    assert.ok(!domains().includes(id))
    await bed.api.must('DELETE', `/compute/v2.1/servers/${id}`)
    await bed.api.must('DELETE', `/image/v2/images/${imageRef}`)
  }

  test('the agent refuses each of them, and leaves nothing on the host', async () => {
    const before = hostFiles()
    for (const one of crafted.filter(({ name }) => name !== 'nothing'))
      await refusedByTheAgent(one, true, one.reason)
    assert.deepEqual(
      hostFiles().filter((name) => !/lost\+found/.test(name)),
      before,
    )
    const found = bed.doctor()
    assert.equal(found.status, 0, found.output)
  })

  test('a file that is not what its record says is not used', async () => {
    const honest = { ...crafted[5]!, declared: 'raw' }
    await refusedByTheAgent(honest, false, /did not arrive as it was stored/)
  })
})

test('names and metadata that are markup build a guest, and its XML is sound', async () => {
  const name = `<x a="1">&amp;]]><![CDATA['"--></name><devices/> ☃💩 \u202e`
  const value = `</lodge:metadata><domain type='kvm'/>\u0001\u001f\ufffe\r\n\t${secret}`
  const { body } = await bed.api.must('POST', '/compute/v2.1/flavors', {
    flavor: { name: '<flavor>&"\'', vcpus: 1, ram: 128, disk: 1 },
  })
  const id = await bed.create(name.replace('\u202e', '').trim(), {
    metadata: { 'a:b c': value },
    description: '</name>&',
    flavorRef: body.flavor.id,
  })
  const server = await bed.reach(id, ['ACTIVE', 'ERROR'])
  assert.equal(server['status'], 'ACTIVE', JSON.stringify(server['fault']))
  assert.deepEqual(server['metadata'], { 'a:b c': value })
  const xml = execFileSync('virsh', ['-q', '-c', bed.libvirtd.uri, 'dumpxml', '--inactive', id], {
    encoding: 'utf8',
  })
  const file = sample('domain.xml')
  writeFileSync(file, xml)
  // libvirt holds it against its own schema.
  execFileSync('virsh', ['-q', '-c', bed.libvirtd.uri, 'define', '--validate', file], { stdio: 'pipe' })
  assert.equal(xml.match(/<devices>/g)?.length, 1)
  assert.match(xml, /&lt;x a="1"&gt;&amp;amp;\]\]&gt;/)
  await bed.api.must('DELETE', `/compute/v2.1/servers/${id}`)
  assert.equal(bed.doctor().status, 0)
})

test('a domain of someone else with the next server’s name fails the build, and both fault and doctor name it', async () => {
  const virsh = (...words: string[]): string =>
    execFileSync('virsh', ['-q', '-c', bed.libvirtd.uri, ...words], { encoding: 'utf8', stdio: 'pipe' })
  const first = await bed.create('first')
  const { body } = await bed.api.must('GET', `/compute/v2.1/servers/${first}`)
  await bed.reach(first, ['ACTIVE'])
  const number = Number.parseInt(body.server['OS-EXT-SRV-ATTR:instance_name'].split('-')[1], 16) + 1
  const name = `instance-${number.toString(16).padStart(8, '0')}`
  const uuid = randomUUID()
  writeFileSync(
    sample('foreign.xml'),
    `<domain type="qemu"><name>${name}</name><uuid>${uuid}</uuid><memory>65536</memory><os><type>hvm</type></os></domain>`,
  )
  virsh('define', sample('foreign.xml'))
  const second = await bed.create('second')
  const failed = (await bed.reach(second, ['ACTIVE', 'ERROR'])) as {
    status: string
    fault: { message: string }
  }
  assert.equal(failed.status, 'ERROR')
  assert.ok(failed.fault.message.includes(name) && failed.fault.message.includes(uuid), failed.fault.message)
  const { status, output } = bed.doctor()
  assert.equal(status, 1)
  assert.match(output, new RegExp(`^domain ${uuid} has the name ${name}, .*rename or remove it$`, 'm'))
  assert.match(output, /: 1 found$/m)
  virsh('undefine', uuid)
  for (const id of [first, second]) await bed.api.must('DELETE', `/compute/v2.1/servers/${id}`)
  await until('the deletes', 60_000, () => !virsh('list', '--all', '--uuid').includes(first))
  assert.equal(bed.doctor().status, 0)
})

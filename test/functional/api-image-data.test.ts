import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { request } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { getImage } from '../../src/store/images.ts'
import { controllerBed, type ControllerBed } from '../support/controller-bed.ts'
import { until } from '../support/until.ts'

let bed: ControllerBed
let member: { projectId: string; token: string }
before(async () => {
  bed = await controllerBed()
  member = await bed.newcomer('member', 'member')
})
after(async () => {
  await bed[Symbol.asyncDispose]()
})

const v2 = '/image/v2'
const newImage = async (disk_format: string | null = 'raw', more: object = {}): Promise<string> => {
  const body = { name: 'n', container_format: 'bare', disk_format, ...more }
  const answer = await bed.call(`POST ${v2}/images`, { token: member.token, body })
  assert.equal(answer.status, 201)
  return answer.body.id
}
const upload = (id: string, data: Buffer, token = member.token, type = 'application/octet-stream') =>
  bed.call(`PUT ${v2}/images/${id}/file`, { token, data, headers: { 'content-type': type } })
const show = async (id: string) => (await bed.call(`GET ${v2}/images/${id}`)).body
const download = (id: string, headers: Record<string, string> = {}, token = member.token) =>
  bed.call(`GET ${v2}/images/${id}/file`, { token, headers })
const files = () => readdir(join(bed.directory, 'images'))

test('data goes up, is hashed and measured, and comes down as it was', async () => {
  const id = await newImage()
  const data = randomBytes(300_001)
  assert.equal((await download(id)).status, 204, 'nothing yet')
  const answer = await upload(id, data)
  assert.equal(answer.status, 204)
  assert.equal(answer.raw.length, 0)
  const image = await show(id)
  assert.equal(image.status, 'active')
  assert.equal(image.size, data.length)
  assert.equal(image.virtual_size, data.length)
  assert.equal(image.checksum, createHash('md5').update(data).digest('hex'))
  assert.equal(image.os_hash_algo, 'sha512')
  assert.equal(image.os_hash_value, createHash('sha512').update(data).digest('hex'))

  const back = await download(id)
  assert.equal(back.status, 200)
  assert.equal(back.headers['content-length'], String(data.length))
  assert.equal(back.headers['content-type'], 'application/octet-stream')
  assert.equal(back.headers['content-md5'], image.checksum)
  assert.ok(back.raw.equals(data))
  assert.equal((await stat(join(bed.directory, 'images', id))).mode & 0o777, 0o600)
  assert.equal((await upload(id, data)).status, 409, 'once')
  assert.equal(
    (
      await bed.call(`PATCH ${v2}/images/${id}`, {
        data: '[{"op":"replace","path":"/disk_format","value":"qcow2"}]',
        headers: { 'content-type': 'application/openstack-images-v2.1-json-patch' },
      })
    ).status,
    403,
    'what was inspected as raw stays raw',
  )

  assert.equal((await bed.call(`DELETE ${v2}/images/${id}`, { token: member.token })).status, 204)
  assert.deepEqual(
    (await files()).filter((name) => name.startsWith(id)),
    [],
  )
})

test('parts come down by range', async () => {
  const id = await newImage()
  await upload(id, Buffer.from('0123456789'))
  const range = async (header: string) => {
    const { status, raw, headers } = await download(id, { range: header })
    return [status, raw.toString(), headers['content-range']]
  }
  assert.deepEqual(await range('bytes=2-4'), [206, '234', 'bytes 2-4/10'])
  assert.deepEqual(await range('bytes=-2'), [206, '89', 'bytes 8-9/10'])
  assert.deepEqual(await range('bytes=8-'), [206, '89', 'bytes 8-9/10'])
  assert.deepEqual(await range('bytes=10-'), [416, '', 'bytes */10'])
  assert.deepEqual(await range('lines=1-2'), [200, '0123456789', undefined])
})

test('data is refused before it is read', async () => {
  const id = await newImage()
  assert.equal((await upload(id, Buffer.from('x'), member.token, 'application/json')).status, 415)
  assert.equal((await upload(await newImage(null), Buffer.from('x'))).status, 400)
  assert.equal((await upload('f0000000-0000-4000-8000-000000000000', Buffer.from('x'))).status, 404)
  const stranger = await bed.newcomer('stranger', 'member')
  assert.equal((await upload(id, Buffer.from('x'), stranger.token)).status, 404)
  assert.equal(
    (await upload(await newImage('raw', { visibility: 'community' }), Buffer.from('x'), stranger.token))
      .status,
    403,
  )
})

/** A qcow2 header as qemu-img would write it, with what a test wants in it. */
function qcow2({ backingFile = '', incompatible = 0n, size = 1n << 20n } = {}): Buffer {
  const image = Buffer.alloc(0x50000)
  image.write('QFI\xfb', 'latin1')
  image.writeUInt32BE(3, 4)
  if (backingFile !== '') {
    image.writeBigUInt64BE(0x200n, 8)
    image.writeUInt32BE(backingFile.length, 16)
    image.write(backingFile, 0x200)
  }
  image.writeUInt32BE(16, 20)
  image.writeBigUInt64BE(size, 24)
  image.writeUInt32BE(1, 36)
  image.writeBigUInt64BE(0x30000n, 40)
  image.writeBigUInt64BE(0x10000n, 48)
  image.writeUInt32BE(1, 56)
  image.writeBigUInt64BE(incompatible, 72)
  image.writeUInt32BE(4, 96)
  image.writeUInt32BE(104, 100)
  image.writeBigUInt64BE(0x20000n, 0x10000)
  return image
}

const descriptor = Buffer.from(
  '# Disk DescriptorFile\nversion=1\nCID=fffffffe\nparentCID=ffffffff\ncreateType="monolithicFlat"\n' +
    'RW 20480 FLAT "/etc/passwd" 0\n',
)

const hostile: [string, string, Buffer, RegExp][] = [
  ['OSSA-2024-002: qcow2 declared as raw', 'raw', qcow2(), /content is qcow2/],
  [
    'OSSA-2024-002: qcow2 with a backing file declared as raw',
    'raw',
    qcow2({ backingFile: '/etc/passwd' }),
    /content is qcow2/,
  ],
  [
    'OSSA-2014-033, OSSA-2015-011: qcow2 with a backing file',
    'qcow2',
    qcow2({ backingFile: '/etc/passwd' }),
    /backing file/,
  ],
  [
    'CVE-2011-3147: qcow2 with a json: backing file',
    'qcow2',
    qcow2({ backingFile: 'json:{"driver":"file"}' }),
    /backing file/,
  ],
  ['OSSA-2024-001: qcow2 with a data file', 'qcow2', qcow2({ incompatible: 4n }), /external file/],
  ['OSSA-2013-012: qcow2 of eight EiB', 'qcow2', qcow2({ size: 1n << 63n }), /virtual size/],
  ['OSSA-2023-002: VMDK descriptor that names /etc/passwd', 'vmdk', descriptor, /several files/],
  ['OSSA-2023-002: VMDK descriptor declared as raw', 'raw', descriptor, /content is vmdk/],
  ['raw declared as qcow2', 'qcow2', Buffer.alloc(4096), /content is raw/],
  ['nothing at all', 'raw', Buffer.alloc(0), /empty/],
]
for (const [what, format, data, reason] of hostile)
  test(`${what}: refused, and nothing left behind`, async () => {
    const id = await newImage(format)
    const answer = await upload(id, data)
    assert.equal(answer.status, 400)
    assert.match(answer.body.error.message, reason)
    const image = await show(id)
    assert.equal(image.status, 'queued')
    assert.equal(image.size, null)
    assert.deepEqual(
      (await files()).filter((name) => name.startsWith(id)),
      [],
    )
    assert.equal((await download(id)).status, 204)
  })

test('a true qcow2 is taken, with the size that a guest will see; after a failed upload, too', async () => {
  const id = await newImage('qcow2')
  assert.equal((await upload(id, Buffer.from('not that'))).status, 400)
  const answer = await upload(id, qcow2())
  assert.equal(answer.status, 204, JSON.stringify(answer.body))
  assert.equal((await show(id)).virtual_size, 1 << 20)
})

test('an upload that breaks off leaves the image queued and no file', async () => {
  await bed.app.listen({ host: '127.0.0.1', port: 0 })
  const { port } = bed.app.server.address() as AddressInfo
  const id = await newImage()
  const sending = request({
    port,
    host: '127.0.0.1',
    method: 'PUT',
    path: `${v2}/images/${id}/file`,
    headers: {
      'x-auth-token': member.token,
      'content-type': 'application/octet-stream',
      'content-length': 1_000_000,
    },
  })
  sending.on('error', () => {})
  sending.write(Buffer.alloc(100_000))
  await until('saving', 10_000, async () => (await show(id)).status === 'saving', 10)
  sending.destroy()
  await until('queued', 10_000, async () => (await show(id)).status === 'queued', 10)
  assert.deepEqual(
    (await files()).filter((name) => name.startsWith(id)),
    [],
  )
})

test('an image that is deleted during its upload leaves no file', async () => {
  const { port } = bed.app.server.address() as AddressInfo
  const id = await newImage()
  const answered = new Promise<number | undefined>((resolve, reject) => {
    const sending = request(
      {
        port,
        host: '127.0.0.1',
        method: 'PUT',
        path: `${v2}/images/${id}/file`,
        headers: { 'x-auth-token': member.token, 'content-type': 'application/octet-stream' },
      },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    )
    sending.on('error', reject)
    sending.write(Buffer.alloc(1000))
    void until('saving', 10_000, async () => (await show(id)).status === 'saving', 10)
      .then(() => bed.call(`DELETE ${v2}/images/${id}`))
      .then(() => sending.end())
  })
  assert.equal(await answered, 404)
  assert.deepEqual(
    (await files()).filter((name) => name.startsWith(id)),
    [],
  )
})

test('OSSA-2024-002: nor can two uploads to one id, the image deleted in between, swap their data', async () => {
  const id = await newImage()
  let finish = (): void => {}
  let accepted = 0
  const slow = async function* () {
    yield Buffer.from('first')
    await new Promise<void>((resolve) => (finish = resolve))
  }
  const first = bed.images.write(id, slow(), async () => void accepted++)
  await until('the first upload', 10_000, async () => (await files()).includes(`${id}.part`), 10)
  await bed.call(`DELETE ${v2}/images/${id}`)
  await newImage('raw', { id })
  assert.equal((await upload(id, Buffer.from('second'))).status, 409)
  finish()
  await assert.rejects(first, { kind: 'notFound' })
  assert.equal(accepted, 0)
  assert.equal((await upload(id, Buffer.from('second'))).status, 204)
  assert.equal((await download(id)).raw.toString(), 'second')
})

test('a deactivated image is kept from all but administrators; its owner may do and undo it', async () => {
  const id = await newImage()
  const act = (what: string, token = bed.adminToken) =>
    bed.call(`POST ${v2}/images/${id}/actions/${what}`, { token })
  assert.equal((await act('deactivate')).status, 403, 'not before it has data')
  await upload(id, Buffer.from('data'))
  const stranger = await bed.newcomer('outsider', 'member')
  assert.equal((await act('deactivate', stranger.token)).status, 404)
  assert.equal((await act('deactivate', member.token)).status, 204)
  assert.equal((await act('deactivate')).status, 204)
  assert.equal((await show(id)).status, 'deactivated')
  assert.equal((await download(id)).status, 403)
  assert.equal((await download(id, {}, bed.adminToken)).status, 200)
  assert.equal((await act('reactivate', member.token)).status, 204)
  assert.equal((await download(id)).raw.toString(), 'data')
})

test('a host fetches an image, and stores one', async () => {
  const id = await newImage()
  const target = join(bed.directory, 'fetched')
  await assert.rejects(bed.images.fetch(id, target), { kind: 'notFound' })
  await upload(id, Buffer.from('of the image'))
  await bed.images.fetch(id, target)
  assert.equal(await readFile(target, 'utf8'), 'of the image')
  assert.equal((await stat(target)).mode & 0o777, 0o600)
  await assert.rejects(bed.images.fetch(id, target), { code: 'EEXIST' }, 'a new file, not another')
  await assert.rejects(bed.images.fetch(id, `${target}2`, AbortSignal.abort()))

  const snapshot = await newImage('qcow2')
  const source = join(bed.directory, 'snapshot')
  await writeFile(source, qcow2())
  assert.deepEqual(await bed.images.store(snapshot, source), { sizeBytes: 0x50000 })
  await assert.rejects(stat(source), { code: 'ENOENT' })
  const image = await show(snapshot)
  assert.equal(image.status, 'active')
  assert.equal(image.virtual_size, 1 << 20)
  assert.equal(image.os_hash_value, createHash('sha512').update(qcow2()).digest('hex'))

  await writeFile(source, 'again')
  assert.deepEqual(await bed.images.store(snapshot, source), { sizeBytes: 0x50000 }, 'twice is once')
  assert.deepEqual(await bed.images.store(snapshot, source), { sizeBytes: 0x50000 }, 'also without the file')
})

test('a store that died after the move is taken up again', async () => {
  const id = await newImage()
  await writeFile(join(bed.directory, 'images', id), 'moved')
  assert.deepEqual(await bed.images.store(id, join(bed.directory, 'gone')), { sizeBytes: 5 })
  assert.equal((await show(id)).status, 'active')
  await assert.rejects(bed.images.store(await newImage(), join(bed.directory, 'gone')), { code: 'ENOENT' })
})

test('a snapshot whose image was deleted goes as well', async () => {
  const source = join(bed.directory, 'orphan')
  await writeFile(source, 'x')
  await assert.rejects(bed.images.store('f0000000-0000-4000-8000-000000000000', source), { kind: 'notFound' })
  await assert.rejects(stat(source), { code: 'ENOENT' })
})

test('OSSA-2026-002: what a guest wrote into its raw disk is kept, but not believed', async () => {
  const id = await newImage()
  const source = join(bed.directory, 'guest')
  await writeFile(source, qcow2({ size: 1n << 40n }))
  await bed.images.store(id, source)
  assert.equal((await show(id)).virtual_size, null)
})

test('OSSA-2011-001, OSSA-2014-041: no id but a UUID ever becomes a path', async () => {
  for (const id of ['', '.', '..', '../lodge.db', 'a/b', 'F0000000-0000-4000-8000-00000000000', '\0'])
    assert.throws(() => bed.images.path(id), { kind: 'notFound' }, JSON.stringify(id))
})

test('a start sweeps up after a process that died', async () => {
  await using other = await controllerBed()
  const answer = await other.call(`POST ${v2}/images`, {
    body: { name: 'n', disk_format: 'raw', container_format: 'bare' },
  })
  const { id } = answer.body
  await other.store.db.updateTable('images').set({ status: 'saving' }).where('id', '=', id).execute()
  const directory = join(other.directory, 'images')
  await mkdir(directory, { recursive: true })
  const nobody = 'f0000000-0000-4000-8000-000000000000'
  for (const name of [id, `${id}.part`, nobody, 'README']) await writeFile(join(directory, name), 'x')
  assert.deepEqual(await other.images.recover(), { requeued: 1, removed: 2 })
  assert.equal((await getImage(other.store.db, id))?.status, 'queued')
  assert.deepEqual((await readdir(directory)).sort(), ['README', id].sort())
})

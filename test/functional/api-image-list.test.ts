import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { controllerBed, testClock, type ControllerBed } from '../support/controller-bed.ts'

const clock = testClock()
let bed: ControllerBed
let member: { projectId: string; token: string }
before(async () => {
  bed = await controllerBed(clock)
  member = await bed.newcomer('member', 'member')
  const stranger = await bed.newcomer('stranger', 'member')
  const add = async (name: string, token: string, more: object = {}) => {
    clock.offset += 1000
    assert.equal((await bed.call('POST /image/v2/images', { token, body: { name, ...more } })).status, 201)
  }
  await add('a', member.token, { disk_format: 'raw', min_ram: 5, tags: ['x', 'y'], os_type: 'linux' })
  await add('b', member.token, { disk_format: 'qcow2', tags: ['x'], os_type: 'li%' })
  await add('c,d', member.token, { visibility: 'private', protected: true, note: 'say "os_type":"linux"' })
  await add('hidden', member.token, { os_hidden: true })
  await add('commune', member.token, { visibility: 'community' })
  await add('theirs', stranger.token)
  await add('their-commune', stranger.token, { visibility: 'community' })
  await add('everyones', bed.adminToken, { visibility: 'public' })
})
after(async () => {
  await bed[Symbol.asyncDispose]()
})

const list = async (query = '', token = member.token) =>
  await bed.call(`GET /image/v2/images${query}`, { token })
const names = async (query = '', token = member.token): Promise<string[]> => {
  const answer = await list(query, token)
  assert.equal(answer.status, 200, JSON.stringify(answer.body))
  return answer.body.images.map((one: { name: string }) => one.name)
}

test('the newest come first, and only what one may see', async () => {
  assert.deepEqual(await names(), ['everyones', 'commune', 'c,d', 'b', 'a'])
  assert.deepEqual(await names('?visibility=community'), ['their-commune', 'commune'])
  assert.deepEqual(await names('?visibility=all'), ['everyones', 'their-commune', 'commune', 'c,d', 'b', 'a'])
  assert.deepEqual(await names('?visibility=public'), ['everyones'])
  assert.deepEqual(await names('?os_hidden=true'), ['hidden'])
  assert.deepEqual(await names('', bed.adminToken), ['everyones', 'theirs', 'c,d', 'b', 'a'])
  assert.deepEqual(await names('?visibility=all', bed.adminToken), [
    'everyones',
    'their-commune',
    'theirs',
    'commune',
    'c,d',
    'b',
    'a',
  ])
})

test('filters', async () => {
  assert.deepEqual(await names('?name=a'), ['a'])
  assert.deepEqual(await names('?name=A'), [])
  assert.deepEqual(await names('?name=in:a,"c,d"'), ['c,d', 'a'])
  assert.deepEqual(await names('?disk_format=in:raw,qcow2'), ['b', 'a'])
  assert.deepEqual(await names('?status=active'), [])
  assert.deepEqual(await names('?status=queued&disk_format=raw'), ['a'])
  assert.deepEqual(await names(`?owner=${member.projectId}&visibility=private`), ['c,d'])
  assert.deepEqual(await names('?tag=x'), ['b', 'a'])
  assert.deepEqual(await names('?tag=x&tag=y'), ['a'])
  assert.deepEqual(await names('?tag='), [])
  assert.deepEqual(await names('?protected=true'), ['c,d'])
  assert.deepEqual(await names('?min_ram=5'), ['a'])
  assert.deepEqual(await names('?size_min=0'), [])
  assert.deepEqual(await names('?created_at=lt:1999-01-01'), [])
  assert.equal((await names('?created_at=gt:1999-01-01')).length, 5)
})

test('properties match whole, however they are written', async () => {
  assert.deepEqual(await names('?os_type=linux'), ['a'], 'neither a pattern nor text within text')
  assert.deepEqual(await names('?os_type=li%25'), ['b'])
  assert.deepEqual(await names('?os_type=Linux'), [])
  assert.deepEqual(await names('?note=say+%22os_type%22:%22linux%22'), ['c,d'])
  assert.deepEqual(await names('?image_type=backup&instance_uuid=x'), [])
  assert.deepEqual(await names('?x=%27%20or%201=1%20--'), [])
})

test('sorting', async () => {
  assert.deepEqual(await names('?sort=name:asc'), ['a', 'b', 'c,d', 'commune', 'everyones'])
  assert.deepEqual(await names('?sort_key=disk_format&sort_key=name&sort_dir=asc&sort_dir=desc'), [
    'everyones',
    'commune',
    'c,d',
    'b',
    'a',
  ])
  assert.equal((await list('?sort=nothing')).status, 400)
})

test('pages follow one another without gap or repetition, whatever they are sorted by', async () => {
  for (const sort of [
    'created_at',
    'size:asc,name:asc',
    'disk_format:desc',
    'min_ram:asc,disk_format',
    'id:asc',
  ]) {
    const seen: string[] = []
    let next: string | undefined = `/v2/images?limit=2&sort=${sort}&os_hidden=false`
    for (let page = 0; next !== undefined && page < 10; page++) {
      const answer = await bed.call(`GET /image${next}`, { token: member.token })
      assert.equal(answer.status, 200)
      assert.ok(answer.body.images.length <= 2)
      seen.push(...answer.body.images.map((one: { name: string }) => one.name))
      assert.ok(answer.body.first.startsWith('/v2/images?limit=2&sort='))
      next = answer.body.next
    }
    assert.deepEqual(seen.sort(), ['a', 'b', 'c,d', 'commune', 'everyones'], sort)
  }
})

test('limits and markers', async () => {
  assert.deepEqual(await names('?limit=0'), [])
  assert.equal((await list()).body.next, undefined)
  for (const query of [
    '?limit=x',
    '?limit=-1',
    '?marker=nothing',
    '?marker=f0000000-0000-4000-8000-000000000000',
  ])
    assert.equal((await list(query)).status, 400, query)
  const theirs = (await list('?name=theirs', bed.adminToken)).body.images[0].id
  assert.equal((await list(`?marker=${theirs}`)).status, 400, 'nor by an image that one may not see')
})

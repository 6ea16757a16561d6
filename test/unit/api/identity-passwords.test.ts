import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashPassword, verifyPassword } from '../../../src/api/identity/passwords.ts'

const cheap = { logN: 4, r: 8, p: 1 }

test('a password is known again by its hash, another is not', async () => {
  const stored = await hashPassword('correct horse', cheap)
  assert.equal(await verifyPassword('correct horse', stored), true)
  assert.equal(await verifyPassword('correct horse ', stored), false)
  assert.equal(await verifyPassword('', stored), false)
})

test('the hash names its parameters and not the password, and is salted', async () => {
  const one = await hashPassword('secret', cheap)
  const other = await hashPassword('secret', cheap)
  assert.match(one, /^\$scrypt\$ln=4,r=8,p=1\$[\w-]{22}\$[\w-]{43}$/)
  assert.notEqual(one, other)
  assert.match(await hashPassword('secret'), /^\$scrypt\$ln=14,r=8,p=5\$/)
})

test('characters that look alike are the same however they are composed', async () => {
  assert.equal(await verifyPassword('Zu\u0308rich', await hashPassword('Z\u00fcrich', cheap)), true)
})

test('nobody has no password, and neither has a hash of unknown form', async () => {
  assert.equal(await verifyPassword('', undefined), false)
  for (const stored of ['', 'plain', '$scrypt$ln=99999,r=8,p=1$AA$AA', '$2b$12$abcdefgh'])
    assert.equal(await verifyPassword('plain', stored), false, stored)
})

test('an unknown user costs as much work as a wrong password', async () => {
  const stored = await hashPassword('secret')
  // Time of the processor, as the clock's depends on what else this machine does.
  const work = async (hash: string | undefined): Promise<number> => {
    const before = process.cpuUsage()
    await verifyPassword('wrong', hash)
    return process.cpuUsage(before).user
  }
  const known = await work(stored)
  const unknown = await work(undefined)
  assert.ok(unknown > known / 2 && unknown < known * 2, `unknown ${unknown} µs, known ${known} µs`)
})

test('a flood of logins is worked off, every one with its own answer', async () => {
  const stored = await hashPassword('secret', cheap)
  const answers = await Promise.all(
    Array.from({ length: 20 }, (_, index) => verifyPassword(index % 2 === 0 ? 'secret' : 'wrong', stored)),
  )
  assert.deepEqual(
    answers,
    answers.map((_, index) => index % 2 === 0),
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { LodgeError } from '../../../src/base/errors.ts'
import { frameKinds, frameMax } from '../../../src/libvirt/frame-format.ts'
import { FrameReader } from '../../../src/libvirt/frame-reader.ts'
import { FrameSplitter } from '../../../src/libvirt/frame-splitter.ts'
import { FrameWriter } from '../../../src/libvirt/frame-writer.ts'
import type { Fields, TypedParam } from '../../../src/libvirt/values.ts'

const everything = {
  a: 'string',
  b: 'string?',
  c: 'i32',
  d: 'u32',
  e: 'i64',
  f: 'u64',
  g: 'strings',
  h: 'params',
} as const satisfies Fields

const text = fc.string({ unit: 'grapheme' }).map((value) => value.replaceAll('\0', ''))
const safe = { min: Number.MIN_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }

/** What was written, without its length. */
function written(fields: Fields, values: Record<string, unknown>): Buffer {
  const writer = new FrameWriter(frameKinds.request)
  writer.fields(fields, values)
  return writer.finish().subarray(4)
}

function read(frame: Buffer, fields: Fields): Record<string, unknown> {
  const reader = new FrameReader(frame)
  reader.u8()
  const record = reader.record(fields)
  reader.end()
  return record
}

test('what is written is read again', () => {
  fc.assert(
    fc.property(
      fc.record({
        a: text,
        b: fc.option(text),
        c: fc.integer(),
        d: fc.nat(0xffffffff),
        e: fc.maxSafeInteger(),
        f: fc.nat(safe.max),
        g: fc.array(text),
      }),
      (values) =>
        assert.deepEqual(read(written(everything, { ...values, h: [] }), everything), { ...values, h: {} }),
    ),
  )
})

test('every type of typed parameter is read again', () => {
  const params: TypedParam[] = [
    { name: 'int', type: 'int', value: -5 },
    { name: 'uint', type: 'uint', value: 0xfffffffe },
    { name: 'llong', type: 'llong', value: -(2n ** 40n) },
    { name: 'ullong', type: 'ullong', value: 2 ** 50 },
    { name: 'double', type: 'double', value: 0.1 },
    { name: 'yes', type: 'boolean', value: true },
    { name: 'no', type: 'boolean', value: false },
    { name: 'string', type: 'string', value: 'ü' },
  ]
  assert.deepEqual(read(written({ params: 'params' }, { params }), { params: 'params' }), {
    params: {
      int: -5,
      uint: 0xfffffffe,
      llong: -(2 ** 40),
      ullong: 2 ** 50,
      double: 0.1,
      yes: true,
      no: false,
      string: 'ü',
    },
  })
})

test('flags may be left out, and may be negative as JavaScript has bit 31', () => {
  assert.deepEqual(read(written({ flags: 'u32' }, {}), { flags: 'u32' }), { flags: 0 })
  const flags = (1 << 31) | 1
  assert.deepEqual(read(written({ flags: 'u32' }, { flags }), { flags: 'u32' }), { flags: 0x80000001 })
})

test('an argument that is not of its type is a bad request that names it', () => {
  const wrong: [Fields, unknown][] = [
    [{ it: 'string' }, undefined],
    [{ it: 'string' }, 5],
    [{ it: 'string' }, 'a\0b'],
    [{ it: 'string?' }, {}],
    [{ it: 'i32' }, 2 ** 31],
    [{ it: 'i32' }, 0.5],
    [{ it: 'i32' }, '1'],
    [{ it: 'u32' }, 2 ** 32],
    [{ it: 'u64' }, -1],
    [{ it: 'u64' }, 2 ** 60],
    [{ it: 'u64' }, 2n ** 64n],
    [{ it: 'i64' }, Number.NaN],
    [{ it: 'strings' }, 'one'],
    [{ it: 'strings' }, ['one', 2]],
    [{ it: 'strings' }, Array.from({ length: 5000 }, () => '')],
  ]
  for (const [fields, it] of wrong)
    assert.throws(
      () => written(fields, { it }),
      (error) => error instanceof LodgeError && error.kind === 'badRequest' && error.message.includes(' it '),
      `${fields.it}: ${String(it)}`,
    )
  assert.throws(() => written({ p: 'params' }, { p: [{ name: 'x'.repeat(80), type: 'int', value: 1 }] }), {
    kind: 'badRequest',
  })
})

test('a call larger than a frame may be is refused', () => {
  assert.throws(() => written({ xml: 'string' }, { xml: 'x'.repeat(frameMax) }), { kind: 'tooLarge' })
})

test('reading anything gives values or a LodgeError, in bounded time', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
      for (const fields of [everything, { h: 'params' }, { g: 'strings' }] as Fields[]) {
        try {
          const reader = new FrameReader(Buffer.from(bytes))
          reader.list(fields)
          reader.end()
        } catch (error) {
          assert.ok(error instanceof LodgeError, String(error))
        }
      }
    }),
  )
})

test('a frame cut short, or with something behind, is malformed', () => {
  const frame = written(everything, { a: 'a', c: 1, d: 2, e: 3, f: 4, g: ['x'], h: [] })
  for (let length = 1; length < frame.length; length++)
    assert.throws(() => read(frame.subarray(0, length), everything), { kind: 'internal' })
  assert.throws(() => read(Buffer.concat([frame, Buffer.from([0])]), everything), { kind: 'internal' })
})

test('frames come out whole however the bytes arrive', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ minLength: 1, maxLength: 40 }), { minLength: 1, maxLength: 8 }),
      fc.array(fc.integer({ min: 1, max: 30 }), { minLength: 1 }),
      (frames, cuts) => {
        const stream = Buffer.concat(frames.flatMap((frame) => [lengthOf(frame.length), Buffer.from(frame)]))
        const splitter = new FrameSplitter()
        const out: Buffer[] = []
        for (let at = 0, i = 0; at < stream.length; i++) {
          const next = at + cuts[i % cuts.length]!
          out.push(...splitter.push(stream.subarray(at, next)))
          at = next
        }
        assert.deepEqual(
          out.map((frame) => frame.toString('hex')),
          frames.map((frame) => Buffer.from(frame).toString('hex')),
        )
      },
    ),
  )
})

test('a length out of bounds is refused before anything is kept for it', () => {
  for (const length of [0, frameMax + 1, 0xffffffff])
    assert.throws(() => new FrameSplitter().push(lengthOf(length)), { kind: 'internal' })
})

function lengthOf(length: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(length)
  return bytes
}

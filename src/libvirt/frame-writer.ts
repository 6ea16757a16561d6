import { LodgeError } from '../base/errors.ts'
import { frameMax, nullLength } from './frame-format.ts'
import { paramTypes, type Fields, type TypedParam, type ValueType } from './values.ts'

/** Writes one frame, length included. */
export class FrameWriter {
  #buffer = Buffer.allocUnsafe(256)
  #used = 4

  constructor(kind: number) {
    this.u8(kind)
  }

  /** @throws tooLarge */
  finish(): Buffer {
    if (this.#used - 4 > frameMax)
      throw new LodgeError('tooLarge', `A call to libvirt may carry at most ${frameMax} bytes`)
    this.#buffer.writeUInt32LE(this.#used - 4, 0)
    return this.#buffer.subarray(0, this.#used)
  }

  /** The arguments in the order of the fields. @throws badRequest naming the argument that is not of its type */
  fields(fields: Fields, values: Record<string, unknown>): void {
    for (const [name, type] of Object.entries(fields)) {
      const value = values[name] ?? (name === 'flags' ? 0 : undefined)
      this.#value(name, type, value)
    }
  }

  u8(value: number): void {
    const at = this.#take(1)
    this.#buffer.writeUInt8(value, at)
  }

  u16(value: number): void {
    const at = this.#take(2)
    this.#buffer.writeUInt16LE(value, at)
  }

  u32(value: number): void {
    const at = this.#take(4)
    this.#buffer.writeUInt32LE(value, at)
  }

  i32(value: number): void {
    const at = this.#take(4)
    this.#buffer.writeInt32LE(value, at)
  }

  string(value: string): void {
    const length = Buffer.byteLength(value)
    this.u32(length)
    const at = this.#take(length + 1)
    this.#buffer.write(value, at, 'utf8')
    this.#buffer[at + length] = 0
  }

  #value(name: string, type: ValueType, value: unknown): void {
    switch (type) {
      case 'string?':
        if (value == null) return this.u32(nullLength)
        return this.string(checkedString(name, value))
      case 'string':
        return this.string(checkedString(name, value))
      case 'i32':
        return this.i32(checkedNumber(name, value, -(2 ** 31), 2 ** 31 - 1))
      case 'u32':
        // Flags combined with `|` are negative in JavaScript when bit 31 is set.
        return this.u32(checkedNumber(name, value, -(2 ** 31), 2 ** 32 - 1) >>> 0)
      case 'i64':
        return this.#wide(checkedWide(name, value, -(2n ** 63n), 2n ** 63n - 1n))
      case 'u64':
        return this.#wide(checkedWide(name, value, 0n, 2n ** 64n - 1n))
      case 'strings': {
        const list = checkedList(name, value)
        this.u32(list.length)
        for (const item of list) this.string(checkedString(name, item))
        return
      }
      case 'params': {
        const list = checkedList(name, value) as TypedParam[]
        this.u32(list.length)
        for (const param of list) this.#param(param)
        return
      }
    }
  }

  #param(param: TypedParam): void {
    const name = checkedString('the name of a typed parameter', param.name)
    // VIR_TYPED_PARAM_FIELD_LENGTH, its final zero byte included, is 80.
    if (Buffer.byteLength(name) > 79)
      throw new LodgeError('badRequest', `The name of the typed parameter ${name} is too long`)
    this.string(name)
    this.u32(paramTypes[param.type])
    switch (param.type) {
      case 'int':
        return this.#value(name, 'i32', param.value)
      case 'uint':
        return this.#value(name, 'u32', param.value)
      case 'llong':
        return this.#value(name, 'i64', param.value)
      case 'ullong':
        return this.#value(name, 'u64', param.value)
      case 'boolean':
        return this.u32(param.value ? 1 : 0)
      case 'string':
        return this.#value(name, 'string', param.value)
      case 'double': {
        const at = this.#take(8)
        this.#buffer.writeDoubleLE(param.value, at)
        return
      }
    }
  }

  #wide(value: bigint): void {
    const at = this.#take(8)
    this.#buffer.writeBigUInt64LE(BigInt.asUintN(64, value), at)
  }

  #take(bytes: number): number {
    const at = this.#used
    this.#used += bytes
    if (this.#used > this.#buffer.length) {
      const bigger = Buffer.allocUnsafe(Math.max(this.#used, this.#buffer.length * 2))
      this.#buffer.copy(bigger, 0, 0, at)
      this.#buffer = bigger
    }
    return at
  }
}

function checkedString(name: string, value: unknown): string {
  if (typeof value !== 'string') throw wrong(name, 'a string')
  if (value.includes('\0')) throw wrong(name, 'a string without zero bytes')
  return value
}

function checkedNumber(name: string, value: unknown, min: number, max: number): number {
  if (typeof value !== 'number' || !Number.isInteger(value) || value < min || value > max)
    throw wrong(name, `an integer from ${min} to ${max}`)
  return value
}

function checkedWide(name: string, value: unknown, min: bigint, max: bigint): bigint {
  if (typeof value !== 'bigint' && !Number.isSafeInteger(value))
    throw wrong(name, 'a safe integer or a bigint')
  const wide = BigInt(value as number | bigint)
  if (wide < min || wide > max) throw wrong(name, `an integer from ${min} to ${max}`)
  return wide
}

function checkedList(name: string, value: unknown): unknown[] {
  if (!Array.isArray(value) || value.length > 4096) throw wrong(name, 'a list of at most 4096 items')
  return value
}

const wrong = (name: string, what: string): LodgeError =>
  new LodgeError('badRequest', `The argument ${name} of a call to libvirt must be ${what}`)

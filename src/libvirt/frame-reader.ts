import { LodgeError } from '../base/errors.ts'
import { nullLength } from './frame-format.ts'
import { paramTypes, type Fields, type Params, type ValueType } from './values.ts'

/** Reads one frame, without its length. Every method throws `internal` where the frame is not as the table says. */
export class FrameReader {
  #at = 0
  readonly #buffer: Buffer

  constructor(buffer: Buffer) {
    this.#buffer = buffer
  }

  /** To be called after the last value: nothing may be left. */
  end(): void {
    if (this.#at !== this.#buffer.length) throw malformed()
  }

  record(fields: Fields): Record<string, unknown> {
    return Object.fromEntries(Object.entries(fields).map(([name, type]) => [name, this.#value(type)]))
  }

  list(fields: Fields): Record<string, unknown>[] {
    const count = this.u32()
    const records: Record<string, unknown>[] = []
    while (records.length < count) records.push(this.record(fields))
    return records
  }

  u8(): number {
    return this.#buffer.readUInt8(this.#take(1))
  }

  u16(): number {
    return this.#buffer.readUInt16LE(this.#take(2))
  }

  u32(): number {
    return this.#buffer.readUInt32LE(this.#take(4))
  }

  i32(): number {
    return this.#buffer.readInt32LE(this.#take(4))
  }

  string(): string {
    const value = this.#nullableString()
    if (value === null) throw malformed()
    return value
  }

  #value(type: ValueType): unknown {
    switch (type) {
      case 'string?':
        return this.#nullableString()
      case 'string':
        return this.string()
      case 'i32':
        return this.i32()
      case 'u32':
        return this.u32()
      case 'i64':
        return Number(this.#buffer.readBigInt64LE(this.#take(8)))
      case 'u64':
        return Number(this.#buffer.readBigUInt64LE(this.#take(8)))
      case 'strings': {
        const list: string[] = []
        for (let left = this.u32(); left > 0; left--) list.push(this.string())
        return list
      }
      case 'params': {
        const params: Params = {}
        for (let left = this.u32(); left > 0; left--) params[this.string()] = this.#paramValue()
        return params
      }
    }
  }

  #paramValue(): number | boolean | string {
    switch (this.u32()) {
      case paramTypes.int:
        return this.i32()
      case paramTypes.uint:
        return this.u32()
      case paramTypes.llong:
        return Number(this.#buffer.readBigInt64LE(this.#take(8)))
      case paramTypes.ullong:
        return Number(this.#buffer.readBigUInt64LE(this.#take(8)))
      case paramTypes.double:
        return this.#buffer.readDoubleLE(this.#take(8))
      case paramTypes.boolean:
        return this.u32() !== 0
      case paramTypes.string:
        return this.string()
      default:
        throw malformed()
    }
  }

  #nullableString(): string | null {
    const length = this.u32()
    if (length === nullLength) return null
    const at = this.#take(length + 1)
    if (this.#buffer[at + length] !== 0) throw malformed()
    return this.#buffer.toString('utf8', at, at + length)
  }

  #take(bytes: number): number {
    const at = this.#at
    if (at + bytes > this.#buffer.length) throw malformed()
    this.#at += bytes
    return at
  }
}

const malformed = (): LodgeError =>
  new LodgeError('internal', 'A frame from the libvirt library is malformed; rebuild it with ./setup build')

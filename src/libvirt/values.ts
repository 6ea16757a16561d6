/** The types of values in the table of calls, and what they are in TypeScript. lodge-virt.h has their wire form. */
export type ValueType = 'string' | 'string?' | 'i32' | 'u32' | 'i64' | 'u64' | 'strings' | 'params'

/** Names and types, in the order of the wire. */
export type Fields = Readonly<Record<string, ValueType>>

/**
 * A typed parameter given to libvirt. Integers of 64 bits may be bigints; numbers must be exact (at most
 * `Number.MAX_SAFE_INTEGER`).
 */
export type TypedParam =
  | { name: string; type: 'int' | 'uint' | 'double'; value: number }
  | { name: string; type: 'llong' | 'ullong'; value: number | bigint }
  | { name: string; type: 'boolean'; value: boolean }
  | { name: string; type: 'string'; value: string }

/** Typed parameters that libvirt answers, by their names. */
export type Params = Record<string, number | boolean | string>

/** libvirt's numbers of the types of typed parameters (virTypedParameterType). */
export const paramTypes = { int: 1, uint: 2, llong: 3, ullong: 4, double: 5, boolean: 6, string: 7 } as const

interface In {
  string: string
  'string?': string | null | undefined
  i32: number
  u32: number
  i64: number | bigint
  u64: number | bigint
  strings: readonly string[]
  params: readonly TypedParam[]
}

/**
 * Answers of 64 bits are numbers too: exact up to `Number.MAX_SAFE_INTEGER`, above it the nearest double. They
 * count bytes, KiB and nanoseconds, where that is closer than the measurement.
 */
interface Out {
  string: string
  'string?': string | null
  i32: number
  u32: number
  i64: number
  u64: number
  strings: string[]
  params: Params
}

type Optional<F extends Fields> = {
  [K in keyof F]: F[K] extends 'string?' ? K : K extends 'flags' ? K : never
}[keyof F]

/** An object with the fields as arguments. `flags` may be left out (0), and what may be null too. */
export type ArgumentsOf<F extends Fields> = { [K in Exclude<keyof F, Optional<F>>]: In[F[K]] } & {
  [K in Optional<F>]?: In[F[K]]
}

/** An object with the fields as an answer or an event has them. */
export type RecordOf<F extends Fields> = { -readonly [K in keyof F]: Out[F[K]] }

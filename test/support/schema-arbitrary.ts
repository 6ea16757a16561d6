/** Values for fast-check that nearly fit a JSON Schema, so that they get past it often and break what comes after. */
import {
  anything,
  array,
  boolean,
  constant,
  constantFrom,
  dictionary,
  double,
  integer,
  oneof,
  record,
  string,
  subarray,
  tuple,
  uuid,
  type Arbitrary,
} from 'fast-check'

type Schema = Record<string, unknown>

/** Strings of the kinds that break things: any Unicode, control characters, encodings, names of prototypes. */
export const nastyString: Arbitrary<string> = oneof(
  string({ unit: 'binary', maxLength: 20 }),
  string({ unit: 'grapheme', maxLength: 20 }),
  constantFrom(
    '',
    ' ',
    '__proto__',
    'constructor',
    'toString',
    '\0',
    '\r\nX-Injected: yes',
    '../../etc/passwd',
    '\ud800',
    ']]></name><evil/>',
    "' or 1=1 --",
    '${7*7}',
    '%s%n',
    '\u202egnp.exe',
    'NaN',
    '-1',
    '1e999',
    '9'.repeat(40),
    'x'.repeat(256),
    '😀'.repeat(200),
    '(a+)+$',
    '0001-01-01T00:00:00Z',
    '+275760-09-13T00:00:00Z',
  ),
)

const nastyNumber = oneof(
  integer(),
  double(),
  constantFrom(-1, 0, 2 ** 31, 2 ** 32, 2 ** 53, 2 ** 63, 2 ** 64, 1e21, 1e308, 1.5),
)

const plainText = string({ unit: 'grapheme-ascii', minLength: 1, maxLength: 12 })

/** Any JSON value. */
export const nastyValue: Arbitrary<unknown> = oneof(
  nastyString,
  nastyNumber,
  constantFrom(null, true, false, [], {}),
  dictionary(nastyString, nastyString, { maxKeys: 4 }),
  anything({ maxDepth: 3 }),
)

/** Values of properties, by their names, that mean something to what is tested. */
export type Hints = Readonly<Record<string, unknown>>

/** Values that fit the schema but for a part here and there. */
export function nearly(schema: Schema, hints: Hints): Arbitrary<unknown> {
  return oneof({ weight: 20, arbitrary: fitting(schema, hints) }, { weight: 1, arbitrary: nastyValue })
}

function fitting(schema: Schema, hints: Hints): Arbitrary<unknown> {
  if ('const' in schema) return constant(schema['const'])
  if (Array.isArray(schema['enum'])) return constantFrom(...(schema['enum'] as unknown[]))
  for (const key of ['anyOf', 'oneOf'])
    if (Array.isArray(schema[key]))
      return oneof(
        ...(schema[key] as Schema[]).map((choice) =>
          fitting({ ...schema, [key]: undefined, ...choice }, hints),
        ),
      )
  const types = [schema['type'] ?? (schema['properties'] ? 'object' : 'any')].flat()
  return oneof(...types.map((type) => ofType(String(type), schema, hints)))
}

function ofType(type: string, schema: Schema, hints: Hints): Arbitrary<unknown> {
  switch (type) {
    case 'object':
      return ofObject(schema, hints)
    case 'array':
      return array(nearly((schema['items'] as Schema | undefined) ?? {}, hints), { maxLength: 3 })
    case 'string':
      return ofString(schema)
    case 'integer':
      return oneof(
        { weight: 5, arbitrary: integer({ min: 0, max: 300 }) },
        { weight: 1, arbitrary: nastyNumber },
      )
    case 'number':
      return nastyNumber
    case 'boolean':
      return boolean()
    case 'null':
      return constant(null)
    default:
      return nastyValue
  }
}

function ofObject(schema: Schema, hints: Hints): Arbitrary<unknown> {
  const properties = (schema['properties'] ?? {}) as Record<string, Schema>
  const required = (schema['required'] ?? []) as string[]
  const isRequired = (key: string): boolean => required.includes(key) || Object.hasOwn(hints, key)
  const values = Object.entries(properties).map(([key, inner]) => [key, property(key, inner, hints)] as const)
  const optional = Object.keys(properties).filter((key) => !isRequired(key))
  // With few of the optional ones at a time most of a large body is right.
  const known = subarray(optional, { maxLength: Math.min(optional.length, 3) }).chain((chosen) =>
    record(Object.fromEntries(values.filter(([key]) => isRequired(key) || chosen.includes(key)))),
  )
  const closed = schema['additionalProperties'] === false && !('patternProperties' in schema)
  const patterns = Object.values((schema['patternProperties'] ?? {}) as Record<string, Schema>)
  const more = dictionary(oneof(plainText, nastyString), nearly(patterns[0] ?? {}, hints), {
    minKeys: 1,
    maxKeys: 3,
  })
  if (!closed) return tuple(known, more).map(([one, other]) => ({ ...one, ...other }))
  return oneof(
    { weight: 15, arbitrary: known },
    { weight: 1, arbitrary: tuple(known, more).map(([one, other]) => ({ ...one, ...other })) },
  )
}

function property(key: string, schema: Schema, hints: Hints): Arbitrary<unknown> {
  const almost = nearly(schema, hints)
  if (!Object.hasOwn(hints, key)) return almost
  return oneof({ weight: 6, arbitrary: constant(hints[key]) }, { weight: 1, arbitrary: almost })
}

function ofString(schema: Schema): Arbitrary<string> {
  const digits = integer({ min: 0, max: 300 }).map(String)
  if (schema['format'] === 'uuid') return oneof(uuid(), nastyString)
  if (schema['format'] === 'date-time')
    return oneof(constantFrom('2026-01-31T12:00:00Z', '2026-01-31', '2026-01-31 12:00:00'), nastyString)
  if (schema['format'] === 'ipv4') return oneof(constant('10.0.0.1'), nastyString)
  if (schema['format'] === 'base64') return oneof(constant('aGVsbG8='), nastyString)
  if (String(schema['pattern'] ?? '').includes('0-9]+$'))
    return oneof({ weight: 5, arbitrary: digits }, { weight: 1, arbitrary: nastyString })
  return oneof({ weight: 3, arbitrary: plainText }, { weight: 1, arbitrary: nastyString })
}

/** JSON text of any of the values above. */
export const jsonOf = (value: unknown): string =>
  JSON.stringify(value, (_key, inner: unknown) => (typeof inner === 'bigint' ? String(inner) : inner)) ??
  'null'

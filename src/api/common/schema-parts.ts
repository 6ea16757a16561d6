/** Building blocks of request schemas, each with the name that Nova's contract suggests. */

type Schema = Record<string, unknown>

/** An object with these properties and, unless `open`, no others. */
export const object = (
  properties: Record<string, Schema>,
  options: { required?: string[]; open?: boolean } = {},
): Schema => ({
  type: 'object',
  properties,
  ...(options.required ? { required: options.required } : {}),
  additionalProperties: options.open === true,
})

/** An object with one required key, as most bodies are: `{"server": {...}}`. */
export const wrapped = (key: string, inner: Schema): Schema => object({ [key]: inner }, { required: [key] })

/** Query: a parameter that may come once. */
export const once = (items: Schema): Schema => ({ type: 'array', items, maxItems: 1 })

/** Query: a parameter that may be repeated. */
export const repeated = (items: Schema): Schema => ({ type: 'array', items })

export const anyString: Schema = { type: 'string' }

/** A whole number from 0 on, or its digits. */
export const nonNegativeInteger: Schema = { type: ['integer', 'string'], pattern: '^[0-9]+$', minimum: 0 }

/** A whole number from 1 on, or its digits. */
export const positiveInteger: Schema = { type: ['integer', 'string'], pattern: '^[0-9]+$', minimum: 1 }

/** A name of 1 to 255 printable characters. */
export const name: Schema = { type: 'string', minLength: 1, maxLength: 255, format: 'name' }

export const description: Schema = {
  type: ['string', 'null'],
  maxLength: 255,
  // Printable characters and, unlike a name, spaces wherever one likes; line ends too.
  pattern: '^[^\\p{Cc}\\p{Cn}\\p{Co}\\p{Cs}]*$',
}

export const uuid: Schema = { type: 'string', format: 'uuid' }

const truthy = ['True', 'TRUE', 'true', '1', 'ON', 'On', 'on', 'YES', 'Yes', 'yes']
const falsy = ['False', 'FALSE', 'false', '0', 'OFF', 'Off', 'off', 'NO', 'No', 'no']

/** A boolean, or one of the words that Nova takes for one; read it with `isTrue`. */
export const boolean: Schema = { type: ['boolean', 'string'], enum: [true, ...truthy, false, ...falsy] }

export const isTrue = (value: unknown): boolean => value === true || truthy.includes(String(value))

/** The value of actions that say nothing: `{"pause": null}`, and whatever else clients put there. */
export const anything: Schema = {}

/** Metadata: keys of 1 to 255 of Nova's characters, values of up to 255. */
export const metadata: Schema = {
  type: 'object',
  patternProperties: { '^[a-zA-Z0-9\\-_:. ]{1,255}$': { type: 'string', maxLength: 255 } },
  additionalProperties: false,
}

export const ipv4: Schema = { type: 'string', format: 'ipv4' }
export const ipv6: Schema = { type: 'string', format: 'ipv6' }

import { Ajv2020, type ErrorObject, type ValidateFunction } from 'ajv/dist/2020.js'
import addFormatsModule from 'ajv-formats'
import { LodgeError } from '../../base/errors.ts'
import { formatHelp, formats } from './formats.ts'

export interface ValidationContext {
  kind: 'body' | 'query'
  /** What the value itself is called when the fault lies with it as a whole, such as an action's key. */
  name?: string
  /** Drops unknown properties instead of refusing them, as the legacy `/v2` endpoint does. Changes `value`. */
  dropUnknown?: boolean
}

/**
 * Holds `value` against a JSON Schema, which is compiled at its first use.
 * @throws LodgeError badRequest that names the field in Nova's words
 */
export function validate(schema: object, value: unknown, context: ValidationContext): void {
  const check = compiled(schema, context.dropUnknown === true)
  if (check(value)) return
  throw new LodgeError('badRequest', explain(check.errors ?? [], context))
}

const lenient = newAjv(true)
const strict = newAjv(false)
const lenientChecks = new WeakMap<object, ValidateFunction>()
const strictChecks = new WeakMap<object, ValidateFunction>()

function compiled(schema: object, dropUnknown: boolean): ValidateFunction {
  const checks = dropUnknown ? lenientChecks : strictChecks
  let check = checks.get(schema)
  if (!check) {
    check = (dropUnknown ? lenient : strict).compile(schema)
    checks.set(schema, check)
  }
  return check
}

function newAjv(removeAdditional: boolean): Ajv2020 {
  const ajv = new Ajv2020({ strict: false, verbose: true, validateSchema: false, removeAdditional })
  // A CommonJS package: its types say default export, Node gives the module.
  const addFormats = addFormatsModule as unknown as (ajv: Ajv2020) => void
  addFormats(ajv)
  for (const [name, test] of Object.entries(formats)) ajv.addFormat(name, test)
  // Nova's bounds hold for numbers that are written as strings, too.
  for (const [keyword, holds] of [
    ['minimum', (bound: number, value: number | string) => !(Number(value) < bound)],
    ['maximum', (bound: number, value: number | string) => !(Number(value) > bound)],
  ] as const) {
    ajv.removeKeyword(keyword)
    ajv.addKeyword({ keyword, type: ['number', 'string'], schemaType: 'number', validate: holds })
  }
  return ajv
}

/** Nova's sentence for the fault: the field's name, its value, and what is wrong with it. */
function explain(errors: ErrorObject[], context: ValidationContext): string {
  // With anyOf and the like the outermost error stands last.
  const error = errors.at(-1)
  if (!error) return 'Invalid input'
  const path = error.instancePath.split('/').slice(1).map(unescapePointer)
  const field = (context.kind === 'query' ? path[0] : path.at(-1)) ?? context.name
  if (field === undefined) return `${reason(error)}`
  const kind = context.kind === 'query' ? 'query parameters' : 'field/attribute'
  return `Invalid input for ${kind} ${cut(field)}. Value: ${shown(error.data)}. ${reason(error)}`
}

const unescapePointer = (part: string): string => part.replaceAll('~1', '/').replaceAll('~0', '~')

function reason(error: ErrorObject): string {
  const value = quoted(error.data)
  const params = error.params as Record<string, unknown>
  switch (error.keyword) {
    case 'type':
      return `${value} is not of type ${[params['type']].flat().map(quoted).join(', ')}`
    case 'required':
      return `${quoted(params['missingProperty'])} is a required property`
    case 'additionalProperties':
      return `Additional properties are not allowed (${quoted(params['additionalProperty'])} was unexpected)`
    case 'minLength':
    case 'minItems':
      return `${value} is too short`
    case 'maxLength':
    case 'maxItems':
      return `${value} is too long`
    case 'enum':
      return `${value} is not one of [${[error.schema].flat().map(quoted).join(', ')}]`
    case 'const':
      return `${quoted(error.schema)} was expected`
    case 'pattern':
      return `${value} does not match ${quoted(params['pattern'])}`
    case 'format':
      return `${value} is not a ${quoted(params['format'])}. ${formatHelp[String(params['format'])] ?? ''}`.trimEnd()
    case 'minimum':
      return `${value} is less than the minimum of ${String(error.schema)}`
    case 'maximum':
      return `${value} is greater than the maximum of ${String(error.schema)}`
    case 'uniqueItems':
      return `${value} has non-unique elements`
    case 'minProperties':
      return `${value} does not have enough properties`
    case 'maxProperties':
      return `${value} has too many properties`
    case 'anyOf':
    case 'oneOf':
      return `${value} is not valid under any of the given schemas`
    default:
      return error.message ?? `${value} is not valid`
  }
}

const shown = (value: unknown): string => (typeof value === 'string' ? cut(value) : quoted(value))

/** As Python shows values, which is what clients of Nova know. */
function quoted(value: unknown): string {
  if (typeof value === 'string') return `'${cut(value)}'`
  if (value === null || value === undefined) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  return cut(JSON.stringify(value))
}

const cut = (text: string): string => (text.length > 200 ? `${text.slice(0, 200)}...` : text)

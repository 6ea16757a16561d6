import { readFileSync } from 'node:fs'
import { Ajv2020 } from 'ajv/dist/2020.js'
import { configSchema, type PartialConfig } from './config-schema.ts'
import { defaultConfig, type Config } from './config.ts'
import { LodgeError, messageOf } from './errors.ts'

/**
 * The settings of this process: the defaults, overridden by the JSON file `path` (none when undefined), overridden
 * by `flags` of the command line.
 * @throws LodgeError badRequest naming the first setting that is wrong, and the file that it stands in
 */
export function loadConfig(path: string | undefined, flags: PartialConfig): Config {
  const fromFile = path === undefined ? {} : readSettings(path)
  check(fromFile, path ?? 'settings')
  check(flags, 'command line')
  return merge(merge(defaultConfig, fromFile), flags) as unknown as Config
}

function readSettings(path: string): PartialConfig {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    throw new LodgeError('badRequest', `Cannot read the settings file ${path}: ${messageOf(error)}`, {
      cause: error,
    })
  }
  try {
    return JSON.parse(text)
  } catch (error) {
    throw new LodgeError('badRequest', `${path} is not JSON: ${messageOf(error)}`, { cause: error })
  }
}

const validate = new Ajv2020({ allowUnionTypes: true, verbose: true }).compile(configSchema)

function check(settings: unknown, where: string): void {
  if (validate(settings)) return
  const error = validate.errors?.[0]
  const name = (error?.instancePath ?? '').slice(1).replaceAll('/', '.')
  const unknown = error?.params['additionalProperty']
  if (typeof unknown === 'string') {
    const full = name === '' ? unknown : `${name}.${unknown}`
    throw new LodgeError(
      'badRequest',
      `${where}: there is no setting '${full}'; lodge config show lists them all`,
    )
  }
  const value = JSON.stringify(error?.data)
  const allowed = error?.keyword === 'enum' ? [error.schema].flat().join(', ') : undefined
  const rule = allowed === undefined ? error?.message : `must be one of ${allowed}`
  throw new LodgeError('badRequest', `${where}: ${name || 'the whole'} is ${value}, but ${rule}`)
}

/** `over` laid on `base`, object by object. */
function merge(base: object, over: object): Record<string, unknown> {
  const result: Record<string, unknown> = { ...base }
  for (const [key, value] of Object.entries(over)) {
    const below = result[key]
    const bothObjects = isObject(below) && isObject(value)
    if (value !== undefined) result[key] = bothObjects ? merge(below, value) : value
  }
  return result
}

/** Lists are replaced as a whole. */
const isObject = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

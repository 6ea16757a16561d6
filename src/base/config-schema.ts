import { defaultConfig, type Config } from './config.ts'
import { filterNames } from './scheduler-config.ts'

type Json = null | boolean | number | string | Json[] | { [key: string]: Json }
type Rule = Record<string, unknown>

/** What the type of a setting's default does not say of it, by its dotted path. */
const rules: Record<string, Rule> = {
  stateDirectory: { minLength: 1 },
  'listen.port': { type: 'integer', minimum: 1, maximum: 65_535 },
  'store.url': { type: ['string', 'null'], pattern: '^postgres(ql)?://' },
  'store.connections': { type: 'integer', minimum: 1, maximum: 1000 },
  'bus.url': { type: ['string', 'null'], pattern: '^(nats|tls)://' },
  'publicUrls.identity': url(),
  'publicUrls.compute': url(),
  'publicUrls.image': url(),
  'publicUrls.network': url(),
  'publicUrls.lodge': url(),
  'log.level': { enum: ['trace', 'debug', 'info', 'warn', 'error'] },
  'log.format': { enum: ['auto', 'pretty', 'json'] },
  'api.maxLimit': { type: 'integer', minimum: 1 },
  'api.maxBodyBytes': { type: 'integer', minimum: 1024 },
  'api.tokenHours': { exclusiveMinimum: 0 },
  'quota.instances': quota(),
  'quota.cores': quota(),
  'quota.ramMiB': quota(),
  'quota.metadataItems': quota(),
  'quota.keyPairs': quota(),
  'quota.serverGroups': quota(),
  'quota.serverGroupMembers': quota(),
  'scheduler.maxAttempts': { type: 'integer', minimum: 1 },
  'scheduler.filters': { items: { enum: filterNames }, uniqueItems: true },
  'scheduler.subsetSize': { type: 'integer', minimum: 1 },
  'scheduler.imagePropertiesSetting': { items: { type: 'string', pattern: '^[^=]+(=-?[0-9.]+)?$' } },
  'scheduler.maxServersPerHost': { type: 'integer', minimum: 1 },
  'scheduler.metricsSetting': { items: { type: 'string', pattern: '^[^=]+=-?[0-9.]+$' } },
  'fleet.preheatParallel': { type: 'integer', minimum: 1, maximum: 1000 },
  'fleet.drainParallel': { type: 'integer', minimum: 1, maximum: 1000 },
  'fleet.fenceCommand': { type: 'array', items: { type: 'string', minLength: 1 } },
  'fleet.migrationForecast': { enum: ['off', 'warn', 'refuse'] },
  'fleet.assumedBandwidthMiBps': { minimum: 1 },
  'hosts.defaultAvailabilityZone': { minLength: 1, pattern: '^[^:]+$' },
  'hosts.defaultScheduleZone': { type: ['string', 'null'], pattern: '^[^:]+$' },
  'agent.hostName': { type: ['string', 'null'], minLength: 1, maxLength: 255, pattern: '^[A-Za-z0-9._-]+$' },
  'agent.instancesDirectory': { type: ['string', 'null'], pattern: '^/' },
  'agent.virtType': { enum: ['auto', 'kvm', 'qemu'] },
  'agent.cpuMode': { enum: ['auto', 'none', 'host-model', 'host-passthrough', 'maximum', 'custom'] },
  'agent.cpuModel': { type: ['string', 'null'], minLength: 1 },
  'agent.machineType': { type: ['string', 'null'], minLength: 1 },
  'agent.maxBuilds': { type: 'integer', minimum: 1 },
  'agent.maxSnapshots': { type: 'integer', minimum: 1 },
  'agent.maxMigrations': { type: 'integer', minimum: 1 },
  'agent.cpuAllocationRatio': { exclusiveMinimum: 0 },
  'agent.memoryAllocationRatio': { exclusiveMinimum: 0 },
  'agent.diskAllocationRatio': { exclusiveMinimum: 0 },
  'agent.reportSeconds': { exclusiveMinimum: 0 },
  'agent.reconcileSeconds': { exclusiveMinimum: 0 },
  'agent.diskTransfer.listen': { type: ['string', 'null'], minLength: 1 },
  'agent.diskTransfer.port': { type: ['integer', 'null'], minimum: 1, maximum: 65_535 },
  'agent.diskTransfer.idleSeconds': { minimum: 1 },
  'agent.migration.address': { type: ['string', 'null'], minLength: 1, pattern: '^[A-Za-z0-9._:-]+$' },
  'agent.migration.uri': { pattern: '%s' },
  'agent.migration.bandwidthMiBps': { type: 'integer', minimum: 0 },
  'agent.migration.downtimeMs': { type: 'integer', minimum: 100 },
  'agent.migration.downtimeSteps': { type: 'integer', minimum: 3 },
  'agent.migration.timeoutAction': { enum: ['abort', 'force-complete'] },
  'simulate.hosts': { type: 'integer', minimum: 0, maximum: 20_000 },
  'simulate.latencies': { items: { type: 'string', pattern: '^([A-Za-z]+|[*])=[0-9]{1,9}(-[0-9]{1,9})?$' } },
  'simulate.failures': { items: { type: 'string', pattern: '^([A-Za-z]+|[*])=(0([.][0-9]+)?|1([.]0+)?)$' } },
  'simulate.hostFailures': { items: { enum: ['crash', 'cut', 'hang'] }, uniqueItems: true },
  'simulate.hostDownSeconds': { exclusiveMinimum: 0 },
  'simulate.seed': { type: 'integer', minimum: 0, maximum: 2_147_483_647 },
  'simulate.first': { type: 'integer', minimum: 1, maximum: 999_999 },
}

/** JSON Schema of the settings file: each key optional, each unknown key refused. */
export const configSchema = schemaOf(defaultConfig as unknown as Json, '')

function schemaOf(value: Json, path: string): Rule {
  if (value !== null && typeof value === 'object' && !Array.isArray(value)) {
    const properties = Object.entries(value).map(([key, inner]) => [key, schemaOf(inner, join(path, key))])
    return { type: 'object', additionalProperties: false, properties: Object.fromEntries(properties) }
  }
  if (Array.isArray(value)) return { type: 'array', items: { type: 'string' }, ...rules[path] }
  const type = value === null ? ['string', 'null'] : typeof value
  const maySink = path in rules || path.endsWith('Weight')
  const least = type === 'number' && !maySink ? { minimum: 0 } : {}
  return { type, ...least, ...rules[path] }
}

function join(path: string, key: string): string {
  return path === '' ? key : `${path}.${key}`
}

function url(): Rule {
  return { type: ['string', 'null'], pattern: '^https?://[^\\s]*[^/\\s]$' }
}

/** -1 is without limit, as in Nova. */
function quota(): Rule {
  return { type: 'integer', minimum: -1 }
}

/** Settings as a file or flags give them: any part of `Config`. */
export type PartialConfig = {
  [K in keyof Config]?: Config[K] extends object ? Partial<Config[K]> : Config[K]
}

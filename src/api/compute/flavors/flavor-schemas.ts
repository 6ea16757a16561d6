import { flavorSortKeys } from '../../../store/flavors.ts'
import type { VersionedSchema } from '../../common/route.ts'
import { boolean, name, object, repeated, wrapped } from '../../common/schema-parts.ts'
import { integerFrom, queryPart, querySchemas } from '../parameters.ts'

/** Printable text, or none. */
const description = {
  type: ['string', 'null'],
  minLength: 0,
  maxLength: 65_535,
  pattern: '^[^\\p{C}\\u2028\\u2029]*$',
}

const newFlavor = {
  name,
  id: {
    type: ['string', 'number', 'null'],
    minLength: 1,
    maxLength: 255,
    pattern: '^(?! )[a-zA-Z0-9. _-]+(?<! )$',
  },
  ram: integerFrom(1),
  vcpus: integerFrom(1),
  disk: integerFrom(0),
  'OS-FLV-EXT-DATA:ephemeral': integerFrom(0),
  swap: integerFrom(0),
  'os-flavor-access:is_public': boolean,
}
const rxtxFactor = {
  rxtx_factor: {
    type: ['number', 'string'],
    pattern: '^[0-9]+(\\.[0-9]+)?$',
    exclusiveMinimum: 0,
    maximum: 3.40282e38,
  },
}
const createBody = (properties: Record<string, Record<string, unknown>>) =>
  wrapped('flavor', object(properties, { required: ['name', 'ram', 'vcpus', 'disk'] }))

export const createFlavorSchemas: VersionedSchema[] = [
  { max: 54, schema: createBody({ ...newFlavor, ...rxtxFactor }) },
  { min: 55, max: 101, schema: createBody({ ...newFlavor, ...rxtxFactor, description }) },
  { min: 102, schema: createBody({ ...newFlavor, description }) },
]

export const updateFlavorSchemas: VersionedSchema[] = [
  { schema: wrapped('flavor', wrapped('description', description)) },
]

const listQuery = (sortKeys: string[], more: Record<string, Record<string, unknown>> = {}) => ({
  limit: queryPart.limit,
  marker: queryPart.text,
  is_public: queryPart.text,
  minRam: queryPart.text,
  minDisk: queryPart.text,
  sort_key: repeated({ type: 'string', enum: sortKeys }),
  sort_dir: repeated({ type: 'string', enum: ['asc', 'desc'] }),
  ...more,
})
const newSortKeys = flavorSortKeys.filter((key) => key !== 'rxtx_factor')

export const listFlavorsQuery: VersionedSchema[] = [
  ...querySchemas(listQuery(flavorSortKeys), 75, { until: 101 }),
  ...querySchemas(listQuery(newSortKeys, { name: queryPart.text }), 75, { since: 102 }),
]

const extraSpecs = {
  type: 'object',
  patternProperties: { '^[a-zA-Z0-9\\-_:. ]{1,255}$': { type: ['string', 'number'], maxLength: 255 } },
  additionalProperties: false,
}
export const createExtraSpecsSchemas: VersionedSchema[] = [{ schema: wrapped('extra_specs', extraSpecs) }]
export const updateExtraSpecSchemas: VersionedSchema[] = [
  { schema: { ...extraSpecs, minProperties: 1, maxProperties: 1 } },
]

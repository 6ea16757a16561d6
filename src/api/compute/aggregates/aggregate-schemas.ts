import type { VersionedSchema } from '../../common/route.ts'
import { name, object, repeated, uuid, wrapped } from '../../common/schema-parts.ts'

const zone = {
  oneOf: [{ type: 'string', minLength: 1, maxLength: 255, format: 'az_name' }, { type: 'null' }],
}
const looseName = { ...name, format: 'name_with_leading_trailing_spaces' }

export const createAggregateSchema: VersionedSchema[] = [
  { schema: wrapped('aggregate', object({ name, availability_zone: zone }, { required: ['name'] })) },
]

export const updateAggregateSchema: VersionedSchema[] = [
  {
    schema: wrapped('aggregate', {
      ...object({ name: looseName, availability_zone: zone }),
      anyOf: [{ required: ['name'] }, { required: ['availability_zone'] }],
    }),
  },
]

const host = { type: 'string', minLength: 1, maxLength: 255, pattern: '^[a-zA-Z0-9\\-._]*$' }

export const hostSchema: VersionedSchema[] = [{ schema: object({ host }, { required: ['host'] }) }]

export const setMetadataSchema: VersionedSchema[] = [
  {
    schema: object(
      {
        metadata: {
          type: 'object',
          patternProperties: { '^[a-zA-Z0-9\\-_:. ]{1,255}$': { type: ['string', 'null'], maxLength: 255 } },
          additionalProperties: false,
        },
      },
      { required: ['metadata'] },
    ),
  },
]

export const cacheImagesSchema: VersionedSchema[] = [
  {
    schema: object(
      { cache: { ...repeated(object({ id: uuid }, { required: ['id'] })), minItems: 1 } },
      { required: ['cache'] },
    ),
  },
]

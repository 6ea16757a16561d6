import { groupPolicies } from '../../../model/server-group.ts'
import type { VersionedSchema } from '../../common/route.ts'
import { name, object, wrapped } from '../../common/schema-parts.ts'
import { maxInteger } from '../parameters.ts'

const hard = ['affinity', 'anti-affinity'] as const

/** The soft policies came with 2.15; 2.64 has one `policy`, and rules. */
export const createGroupSchemas: VersionedSchema[] = [
  { max: 14, schema: withPolicies(hard) },
  { min: 15, max: 63, schema: withPolicies(groupPolicies) },
  {
    min: 64,
    schema: wrapped(
      'server_group',
      object(
        {
          name,
          policy: { type: 'string', enum: groupPolicies },
          rules: object({
            max_server_per_host: {
              type: ['integer', 'string'],
              pattern: '^[0-9]+$',
              minimum: 1,
              maximum: maxInteger,
            },
          }),
        },
        { required: ['name', 'policy'] },
      ),
    ),
  },
]

function withPolicies(allowed: readonly string[]): Record<string, unknown> {
  const policies = { type: 'array', minItems: 1, maxItems: 1, items: { type: 'string', enum: allowed } }
  return wrapped('server_group', object({ name, policies }, { required: ['name', 'policies'] }))
}

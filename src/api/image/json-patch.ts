import { LodgeError } from '../../base/errors.ts'

/** One change of one attribute. */
export interface PatchOperation {
  op: 'add' | 'replace' | 'remove'
  /** The attribute, unescaped. */
  attribute: string
  value?: unknown
}

/** The media types of a patch; the older form names the operation by its key. */
const forms = new Map<string, (operation: Record<string, unknown>) => unknown>([
  ['application/openstack-images-v2.1-json-patch', ({ op }) => op],
  [
    'application/openstack-images-v2.0-json-patch',
    (operation) => ['add', 'replace', 'remove'].find((op) => Object.hasOwn(operation, op)),
  ],
])

export const patchMediaTypes = [...forms.keys()]

/**
 * The operations of a patch, in their order.
 * @throws LodgeError unsupportedMediaType, or badRequest for anything that is no list of operations
 */
export function parsePatch(mediaType: string, body: unknown): PatchOperation[] {
  const opOf = forms.get(mediaType)
  if (!opOf) throw new LodgeError('unsupportedMediaType', `Send a patch as ${patchMediaTypes.join(' or ')}.`)
  if (!Array.isArray(body))
    throw new LodgeError('badRequest', 'Request body must be a JSON array of operation objects.')
  if (body.length > 1000) throw new LodgeError('badRequest', 'A patch has at most 1000 operations.')
  return body.map((item: unknown) => {
    if (typeof item !== 'object' || item === null || Array.isArray(item))
      throw new LodgeError('badRequest', 'Operations must be JSON objects.')
    return operationOf(item as Record<string, unknown>, opOf(item as Record<string, unknown>))
  })
}

function operationOf(item: Record<string, unknown>, op: unknown): PatchOperation {
  if (op !== 'add' && op !== 'replace' && op !== 'remove')
    throw new LodgeError('badRequest', 'The operation of a patch is one of add, replace, remove.')
  const path = item['path'] ?? item[op]
  if (typeof path !== 'string') throw new LodgeError('badRequest', 'An operation needs a path such as /name.')
  if (op !== 'remove' && !('value' in item))
    throw new LodgeError('badRequest', `Operation "${op}" requires a member named "value".`)
  const attribute = attributeOf(path)
  return op === 'remove' ? { op, attribute } : { op, attribute, value: item['value'] }
}

/** A JSON pointer (RFC 6901) of one level. */
function attributeOf(path: string): string {
  if (!/^\/([^~/]|~[01])+$/u.test(path))
    throw new LodgeError(
      'badRequest',
      `Invalid path ${JSON.stringify(path.slice(0, 255))}: it names one attribute, such as /name.`,
    )
  return path.slice(1).replaceAll('~1', '/').replaceAll('~0', '~')
}

import { LodgeError } from '../../base/errors.ts'
import type { ImageRecord, ImageVisibility } from '../../model/image.ts'
import type { DiskFormat } from '../../model/server-spec.ts'
import type { ImageChanges } from '../../store/images.ts'
import type { Caller } from '../common/route.ts'
import { validate } from '../common/validator.ts'

export const containerFormats = ['ami', 'ari', 'aki', 'bare', 'ovf', 'ova', 'docker', 'compressed']
export const diskFormats: DiskFormat[] = [
  'ami',
  'ari',
  'aki',
  'vhd',
  'vhdx',
  'vmdk',
  'raw',
  'qcow2',
  'vdi',
  'iso',
  'ploop',
]
export const visibilities: ImageVisibility[] = ['community', 'public', 'private', 'shared']

const maxTags = 128
const maxProperties = 128
const count = { type: 'integer', minimum: 0, maximum: 2_147_483_647 }

/** What clients may write, with the schema of each. */
export const writable = {
  name: { type: ['string', 'null'], maxLength: 255 },
  visibility: { type: 'string', enum: visibilities },
  protected: { type: 'boolean' },
  os_hidden: { type: 'boolean' },
  owner: { type: ['string', 'null'], maxLength: 255 },
  tags: { type: 'array', items: { type: 'string', minLength: 1, maxLength: 255 }, maxItems: maxTags },
  container_format: { type: ['string', 'null'], enum: [null, ...containerFormats] },
  disk_format: { type: ['string', 'null'], enum: [null, ...diskFormats] },
  min_disk: count,
  min_ram: count,
} as const

type Attribute = keyof typeof writable

export const isWritable = (name: string): name is Attribute => Object.hasOwn(writable, name)

/** What only the service writes. */
export const readOnly: readonly string[] = [
  'status',
  'size',
  'virtual_size',
  'checksum',
  'os_hash_algo',
  'os_hash_value',
  'created_at',
  'updated_at',
  'self',
  'file',
  'schema',
  'direct_url',
  'stores',
]

/** Names that mean something in Glance that is not offered, and must not look as if it were. */
const reserved: readonly string[] = [
  'deleted',
  'deleted_at',
  'is_public',
  'location',
  'locations',
  'properties',
]

/**
 * Sets one attribute or custom property in `changes`, on top of those that the image has.
 * @throws LodgeError badRequest for a value of the wrong form, forbidden for what the caller may not set
 */
export function setAttribute(
  changes: ImageChanges & Pick<ImageRecord, 'properties'>,
  name: string,
  value: unknown,
  caller: Caller,
): void {
  if (!isWritable(name)) return setProperty(changes.properties, name, value)
  validate(schemaOf[name], { [name]: value }, { kind: 'body' })
  const set: Record<Attribute, () => void> = {
    name: () => (changes.name = value as string | null),
    visibility: () => {
      changes.visibility = value as ImageVisibility
      if (value === 'public' && !caller.isAdmin)
        throw new LodgeError('forbidden', 'You are not authorized to complete publicize_image action.')
    },
    protected: () => (changes.protected = value as boolean),
    os_hidden: () => (changes.hidden = value as boolean),
    owner: () => {
      changes.owner = value as string | null
      if (value !== caller.projectId && !caller.isAdmin)
        throw new LodgeError(
          'forbidden',
          `You are not permitted to set the owner of an image to ${String(value)}.`,
        )
    },
    tags: () => (changes.tags = [...new Set(value as string[])].sort()),
    container_format: () => (changes.containerFormat = value as string | null),
    disk_format: () => (changes.diskFormat = value as DiskFormat | null),
    min_disk: () => (changes.minDiskGiB = value as number),
    min_ram: () => (changes.minRamMiB = value as number),
  }
  set[name]()
}

/** @throws LodgeError tooLarge */
export function checkCounts({ properties, tags }: { properties: object; tags?: string[] }): void {
  if (Object.keys(properties).length > maxProperties)
    throw new LodgeError('tooLarge', `An image has at most ${maxProperties} properties.`)
  if ((tags?.length ?? 0) > maxTags) throw new LodgeError('tooLarge', `An image has at most ${maxTags} tags.`)
}

function setProperty(properties: Record<string, string>, name: string, value: unknown): void {
  refuseOurs(name)
  if (name === '' || name === '__proto__' || name.length > 255 || hasControlCharacters(name))
    throw new LodgeError('badRequest', 'The name of a property is 1 to 255 printable characters.')
  if (typeof value !== 'string' || value.length > 65_535 || value.includes('\0'))
    throw new LodgeError(
      'badRequest',
      `The value of the property ${name} must be a string of at most 65535 characters.`,
    )
  properties[name] = value
}

/** @throws LodgeError forbidden for attributes that are not the client's to write */
export function refuseOurs(name: string): void {
  if (readOnly.includes(name) || name === 'id')
    throw new LodgeError('forbidden', `Attribute '${name}' is read-only.`)
  if (reserved.includes(name) || name.startsWith('os_glance'))
    throw new LodgeError('forbidden', `Attribute '${name}' is reserved.`)
}

const hasControlCharacters = (text: string): boolean => /\p{Cc}/u.test(text)

/** Schemas of one attribute each, made once: the validator knows them by identity. */
const schemaOf = Object.fromEntries(
  Object.entries(writable).map(([name, schema]) => [
    name,
    { type: 'object', properties: { [name]: schema } },
  ]),
) as unknown as Record<Attribute, object>

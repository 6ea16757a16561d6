import type { Route } from '../common/route.ts'
import { readOnly, writable } from './attributes.ts'

type Document = { name: string } & Record<string, unknown>

const text = { type: ['null', 'string'] }

/** What is not the client's to write, as clients are told. */
const given: Record<string, object> = {
  id: { type: 'string', pattern: '^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$' },
  ...Object.fromEntries(readOnly.map((name) => [name, { ...text, readOnly: true }])),
  status: {
    type: 'string',
    enum: ['queued', 'saving', 'active', 'killed', 'deleted', 'deactivated'],
    readOnly: true,
  },
  size: { type: ['null', 'integer'], readOnly: true },
  virtual_size: { type: ['null', 'integer'], readOnly: true },
}

const image: Document = {
  name: 'image',
  properties: { ...given, ...writable },
  additionalProperties: { type: 'string' },
  links: [
    { rel: 'self', href: '{self}' },
    { rel: 'enclosure', href: '{file}' },
    { rel: 'describedby', href: '{schema}' },
  ],
}

const member: Document = {
  name: 'member',
  properties: {
    member_id: { type: 'string' },
    image_id: { type: 'string' },
    status: { type: 'string', enum: ['pending', 'accepted', 'rejected'] },
    created_at: { type: 'string' },
    updated_at: { type: 'string' },
    schema: { type: 'string', readOnly: true },
  },
}

const listOf = (name: string, item: Document): Document => ({
  name,
  properties: {
    [name]: { type: 'array', items: item },
    first: { type: 'string' },
    next: { type: 'string' },
    schema: { type: 'string' },
  },
  links: [
    { rel: 'first', href: '{first}' },
    { rel: 'next', href: '{next}' },
    { rel: 'describedby', href: '{schema}' },
  ],
})

/** GET /schemas/...: what an image looks like, for clients that ask before they speak. */
export const imageSchemaRoutes = (): Route[] =>
  [image, listOf('images', image), member, listOf('members', member)].map((document) => ({
    method: 'GET',
    path: `/schemas/${document.name}`,
    policy: 'get_image',
    role: 'any',
    success: 200,
    summary: `Shows the JSON schema of ${document.name}`,
    handler: async () => ({ body: document }),
  }))

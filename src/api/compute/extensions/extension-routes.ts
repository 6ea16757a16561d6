import { LodgeError } from '../../../base/errors.ts'
import type { Route } from '../../common/route.ts'
import { emptyQuery } from '../parameters.ts'
import { extensionNames } from './extension-names.ts'

export const extensionRoutes = (): Route[] => [
  {
    method: 'GET',
    path: '/extensions',
    policy: 'extensions',
    role: 'any',
    success: 200,
    query: emptyQuery,
    summary: 'Lists the extensions of old, all of them parts of the API now',
    handler: async () => ({
      body: { extensions: Object.entries(extensionNames).map(([alias, name]) => extensionView(alias, name)) },
    }),
  },
  {
    method: 'GET',
    path: '/extensions/:id',
    policy: 'extensions',
    role: 'any',
    success: 200,
    query: emptyQuery,
    summary: 'Shows an extension by its alias',
    handler: async ({ params: { id = '' } }) => {
      const name = Object.hasOwn(extensionNames, id) ? extensionNames[id] : undefined
      if (name === undefined) throw new LodgeError('notFound', `There is no extension ${id}.`)
      return { body: { extension: extensionView(id, name) } }
    },
  },
]

/** Namespace and time are the ones that Nova gives to every extension since it has no real ones. */
const extensionView = (alias: string, name: string) => ({
  alias,
  name,
  description: `${spaced(name)}.`,
  namespace: 'http://docs.openstack.org/compute/ext/fake_xml',
  updated: '2014-12-03T00:00:00Z',
  links: [],
})

/** `FlavorExtraSpecs` as `Flavor extra specs`. */
function spaced(name: string): string {
  const words = name.replaceAll(/([a-z0-9])([A-Z])/g, '$1 $2').split(' ')
  return words
    .map((word, index) => (index > 0 && !/^[A-Z]{2}/.test(word) ? word.toLowerCase() : word))
    .join(' ')
}

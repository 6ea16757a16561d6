import type { MicroversionRange } from '../common/microversion.ts'
import type { VersionDocument } from '../common/version-documents.ts'

/** The microversions that compute serves, as minors: 2.1 to 2.104. */
export const computeMicroversions: MicroversionRange = { min: 1, max: 104 }

/** `GET /compute`: the list of versions, which is the only one of Nova's with status 200. */
export const computeVersions = (root: string): VersionDocument => ({
  status: 200,
  body: { versions: [legacyVersion(root), currentVersion(root)] },
})

/** `GET /compute/<anything unversioned>`: multiple choices. */
export const computeChoices = (root: string, path: string): VersionDocument => ({
  status: 300,
  body: {
    choices: [
      choice('v2.0', 'DEPRECATED', `${root}/v2${path}`, '2'),
      choice('v2.1', 'CURRENT', `${root}/v2.1${path}`, '2.1'),
    ],
  },
})

/** `GET /compute/v2.1` and `/compute/v2`. */
export const computeVersion = (root: string, legacy: boolean): VersionDocument => {
  const version = legacy ? legacyVersion(root) : currentVersion(root)
  return {
    status: 200,
    body: {
      version: {
        ...version,
        links: [
          ...version.links,
          { href: 'http://docs.openstack.org/', rel: 'describedby', type: 'text/html' },
        ],
        'media-types': mediaTypes(legacy ? '2' : '2.1'),
      },
    },
  }
}

const legacyVersion = (root: string) => ({
  id: 'v2.0',
  links: [{ href: `${root}/v2/`, rel: 'self' }],
  status: 'DEPRECATED',
  version: '',
  min_version: '',
  updated: '2025-07-04T12:00:00Z',
})

const currentVersion = (root: string) => ({
  id: 'v2.1',
  links: [{ href: `${root}/v2.1/`, rel: 'self' }],
  status: 'CURRENT',
  version: `2.${computeMicroversions.max}`,
  min_version: `2.${computeMicroversions.min}`,
  updated: '2013-07-23T11:33:21Z',
})

const choice = (id: string, status: string, href: string, mediaVersion: string) => ({
  id,
  status,
  links: [{ href, rel: 'self' }],
  'media-types': mediaTypes(mediaVersion),
})

const mediaTypes = (version: string) => [
  { base: 'application/json', type: `application/vnd.openstack.compute+json;version=${version}` },
]

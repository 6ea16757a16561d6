import type { Config } from '../../base/config.ts'
import type { ApiRequest } from './route.ts'
import type { Service } from './service.ts'

/**
 * The service's root URL as this client should see it, such as `http://10.0.0.1:8774/compute`, without trailing
 * slash: `publicUrls.<service>` of the settings if given, else made from the request's Host header.
 */
export function serviceRootUrl(config: Config, service: Service, host: string | undefined): string {
  const configured = config.publicUrls[service.name]
  if (configured !== null) return configured.replace(/\/+$/, '')
  return `http://${isPlainHost(host) ? host : listenAddress(config)}${service.root}`
}

export interface Link {
  rel: 'self' | 'bookmark' | 'next' | 'describedby' | 'alternate'
  href: string
  type?: string
}

/** The two links that Nova gives each resource; `path` is that below the version, such as `/servers/<id>`. */
export const resourceLinks = (request: Pick<ApiRequest, 'links'>, path: string): Link[] => [
  { rel: 'self', href: request.links.versioned + path },
  { rel: 'bookmark', href: request.links.bookmark + path },
]

/** A Host header goes into links only when it looks like one. */
const isPlainHost = (host: string | undefined): host is string =>
  host !== undefined && /^[A-Za-z0-9._-]+(:\d{1,5})?$|^\[[0-9A-Fa-f:.]+\](:\d{1,5})?$/.test(host)

function listenAddress(config: Config): string {
  const { host, port } = config.listen
  return `${host.includes(':') ? `[${host}]` : host}:${port}`
}

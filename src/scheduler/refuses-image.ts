import type { SchedulerConfig } from '../base/scheduler-config.ts'
import type { Server } from '../model/server.ts'
import type { ServerImage } from '../model/server-spec.ts'
import { filtersOf } from './filter-table.ts'
import type { HostTable } from './host-table.ts'
import { plainRequest } from './place-request.ts'

/** What looks at the image; all else the host was asked when the server came to it, as Nova does at a rebuild. */
const ofImages: ReadonlySet<string> = new Set([
  'AggregateImagePropertiesIsolation',
  'ImagePropertiesFilter',
  'IsolatedHostsFilter',
])

/**
 * The filter that keeps a server from getting another image on the host that it is on (CVE-2017-16239); undefined when
 * none does, or nothing is known of the host. Nothing is claimed: the server's resources stay as they are.
 */
export function filterRefusingImage(
  server: Pick<Server, 'id' | 'projectId' | 'flavor' | 'host'>,
  image: ServerImage,
  table: HostTable,
  settings: SchedulerConfig,
): string | undefined {
  const index = server.host === null ? undefined : table.indexOf.get(server.host)
  if (index === undefined) return undefined
  const request = {
    ...plainRequest,
    seed: server.id,
    projectId: server.projectId,
    flavor: server.flavor,
    image,
  }
  return filtersOf(settings.filters.filter((name) => ofImages.has(name)))
    .filter(({ name }) => ofImages.has(name))
    .find(({ prepare }) => {
      const check = prepare(request, table, settings)
      if (check === null) return false
      if (typeof check === 'function') return !check(index)
      const value = check.column[index]!
      return value < check.least || value > check.most
    })?.name
}

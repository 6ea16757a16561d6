import type { PlacementReasons } from './placement.ts'

const words: Record<string, string> = {
  'already-tried': 'tried before, or where it is now',
  'not-requested': 'not the host that was asked for',
  down: 'down',
  disabled: 'disabled',
  'forced-down': 'forced down',
  maintenance: 'in maintenance',
  'availability-zone': 'in another availability zone',
  'resource-class': 'without a resource class that the flavor asks for',
  vcpus: 'not enough vCPUs left',
  memory: 'not enough memory left',
  disk: 'not enough disk left',
  traits: 'without a trait that is required, or with one that is forbidden',
  ServerGroupAntiAffinityFilter: 'with as many servers of the group as its policy allows',
  ServerGroupAffinityFilter: 'without servers of the group',
  SameHostFilter: 'without the servers that same_host names',
  DifferentHostFilter: 'with a server that different_host names',
  ImagePropertiesFilter: 'not what the image properties ask for',
  ComputeCapabilitiesFilter: 'not what the extra specs of the flavor ask for',
}

/** What a filter has against the hosts that it turned away. */
export const filterInWords = (filter: string): string => words[filter] ?? `turned away by ${filter}`

/** Hosts that a sentence names for each filter. */
const named = 5

/** The reasons of a placement that found no host, as a sentence for the operator. */
export function reasonsInWords({ hosts, rejected, candidates, forced }: PlacementReasons): string {
  if (hosts === 0) return 'there are no hosts'
  if (forced && candidates[0]) return `${candidates[0].host}, which was asked for, has not enough left`
  if (rejected.length === 0) return `others were faster at all of ${hosts} hosts`
  const parts = rejected.map(({ filter, count, hosts: names }) => {
    const some = names.slice(0, named).join(', ')
    return `${count} ${filterInWords(filter)} (${some}${count > named ? ', ...' : ''})`
  })
  return `of ${hosts} hosts ${parts.join('; ')}`
}

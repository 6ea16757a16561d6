import { stateDirectory } from '../daemon/state-directory.ts'
import { filterInWords } from '../model/placement-words.ts'
import { openCloudApi, type CloudApi } from './cloud-api.ts'
import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'
import { table } from './table.ts'

/** `lodge explain SERVER`: why a server is where it is, or nowhere. Status 1 when it was never placed. */
export const explain: Command = {
  name: 'explain',
  usage: 'SERVER [--state DIR] [--config FILE]',
  summary:
    'tell why a server is on its host, or found none: which hosts were turned away, how others weighed',
  run: async (words) => {
    const { positionals, settings } = parseWords(words, { atMost: 1 })
    const [server] = positionals
    if (server === undefined) throw new UsageError('SERVER is missing')
    const config = configFromFlags(settings, ['state', 'config', 'log-level'])
    const api = await openCloudApi(stateDirectory(config.stateDirectory).cloudsFile)
    const placements = await placementsOf(api, server)
    for (const placement of placements) console.log(`${inWords(placement)}\n`)
    if (placements.length === 0) console.log(`No placement of ${server} is known.`)
    return placements.length === 0 ? 1 : 0
  },
}

interface PlacementView {
  request_id: string
  server_id: string
  host: string | null
  created_at: string
  hosts: number
  passed: number
  forced: boolean
  rejected: { filter: string; count: number; hosts: string[] }[]
  candidates: { host: string; weight: number; weighers: Record<string, number> }[]
}

/** By id, or else by name. */
async function placementsOf(api: CloudApi, server: string): Promise<PlacementView[]> {
  const byId = await placementsOfId(api, server)
  if (byId.length > 0) return byId
  const query = new URLSearchParams({ all_tenants: '1', name: server })
  const { servers } = (await api.call('GET', `/compute/v2.1/servers?${query}`)) as {
    servers: { id: string; name: string }[]
  }
  const named = servers.filter(({ name }) => name === server)
  return (await Promise.all(named.map(({ id }) => placementsOfId(api, id)))).flat()
}

async function placementsOfId(api: CloudApi, id: string): Promise<PlacementView[]> {
  const path = `/lodge/v1/servers/${encodeURIComponent(id)}/placements`
  return ((await api.call('GET', path)) as { placements: PlacementView[] }).placements
}

function inWords(placement: PlacementView): string {
  const { host, created_at, request_id, server_id, hosts, passed, forced } = placement
  const how = forced ? 'as it was forced there' : `${passed} of ${hosts} hosts passed`
  const lines = [
    `${created_at} server ${server_id} ${host === null ? 'found no host' : `went to ${host}`} (${how}), ${request_id}`,
  ]
  if (placement.rejected.length > 0)
    lines.push(
      table(
        ['TURNED AWAY', 'WHY', 'HOSTS'],
        placement.rejected.map(({ filter, count, hosts: names }) => [
          String(count),
          filterInWords(filter),
          `${names.join(' ')}${count > names.length ? ' ...' : ''}`,
        ]),
      ),
    )
  if (placement.candidates.length > 0)
    lines.push(
      table(
        ['CANDIDATE', 'WEIGHT', 'MADE OF'],
        placement.candidates.map((candidate) => [
          candidate.host,
          String(candidate.weight),
          Object.entries(candidate.weighers)
            .map(([name, part]) => `${name} ${part}`)
            .join(', '),
        ]),
      ),
    )
  return lines.join('\n\n')
}

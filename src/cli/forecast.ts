import { stateDirectory } from '../daemon/state-directory.ts'
import { LodgeError } from '../base/errors.ts'
import { openCloudApi, type CloudApi } from './cloud-api.ts'
import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'
import { table } from './table.ts'

/** `lodge forecast SERVER [HOST]`: what a live migration would do. Status 1 when it would not come to an end. */
export const forecast: Command = {
  name: 'forecast',
  usage: 'SERVER [HOST] [--move] [--state DIR] [--config FILE]',
  summary: 'tell whether and how soon a server can be moved alive; with --move, move it whatever comes out',
  run: async (words) => {
    const { positionals, switches, settings } = parseWords(words, { switches: ['move'], atMost: 2 })
    const [server, host] = positionals
    if (server === undefined) throw new UsageError('SERVER is missing')
    const config = configFromFlags(settings, ['state', 'config', 'log-level'])
    const api = await openCloudApi(stateDirectory(config.stateDirectory).cloudsFile)
    const id = await idOf(api, server)
    const query = host === undefined ? '' : `?${new URLSearchParams({ host })}`
    const { migration_forecast: foretold } = (await api.call(
      'GET',
      `/lodge/v1/servers/${id}/migration-forecast${query}`,
    )) as { migration_forecast: ForecastView }
    console.log(inWords(foretold))
    if (!switches.has('move')) return foretold.verdict === 'never' ? 1 : 0
    await move(api, id, host ?? null)
    console.log('It is on its way: openstack server migration list')
    return 0
  },
}

interface ForecastView {
  source_host: string
  dest_host: string | null
  verdict: 'converges' | 'aided' | 'never'
  aid: string | null
  reason: string
  total_ms: number | null
  downtime_ms: number | null
  memory: { bytes: number; dirty_bytes_per_second: number }
  disk: { bytes: number; written_bytes_per_second: number }
  bandwidth: { bytes_per_second: number; source: string }
}

/** By id, or else by name. @throws LodgeError notFound, or conflict when several have the name */
async function idOf(api: CloudApi, server: string): Promise<string> {
  if (/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/.test(server)) return server
  const query = new URLSearchParams({ all_tenants: '1', name: server })
  const { servers } = (await api.call('GET', `/compute/v2.1/servers?${query}`)) as {
    servers: { id: string; name: string }[]
  }
  const named = servers.filter(({ name }) => name === server)
  if (named.length > 1) throw new LodgeError('conflict', `Several servers are called ${server}: name its id`)
  const [only] = named
  if (!only) throw new LodgeError('notFound', `There is no server ${server}`)
  return only.id
}

const move = (api: CloudApi, id: string, host: string | null): Promise<unknown> =>
  api.call(
    'POST',
    `/compute/v2.1/servers/${id}/action`,
    { 'os-migrateLive': { host, block_migration: 'auto' } },
    { 'openstack-api-version': 'compute 2.34', 'x-lodge-confirm': 'forecast' },
  )

const verdicts = {
  converges: 'It comes to an end by itself',
  aided: 'It comes to an end with help',
  never: 'It does not come to an end',
}

function inWords({ memory, disk, bandwidth, ...told }: ForecastView): string {
  const size = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`
  const rows = [
    ['memory', size(memory.bytes), `${size(memory.dirty_bytes_per_second)}/s written`],
    ['disks', size(disk.bytes), `${size(disk.written_bytes_per_second)}/s written`],
    ['bandwidth', `${size(bandwidth.bytes_per_second)}/s`, bandwidth.source],
  ]
  if (told.total_ms !== null) rows.push(['takes', `${(told.total_ms / 1000).toFixed(1)} s`, ''])
  if (told.downtime_ms !== null) rows.push(['stands still', `${told.downtime_ms} ms`, ''])
  const way = `from ${told.source_host} to ${told.dest_host ?? 'another host'}`
  const how = `${verdicts[told.verdict]}${told.aid === null ? '' : ` (${told.aid})`}. ${told.reason}`
  return `${how}\n\n${table(['LIVE MIGRATION', way, ''], rows)}`
}

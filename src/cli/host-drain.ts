import { LodgeError } from '../base/errors.ts'
import { stateDirectory } from '../daemon/state-directory.ts'
import { openCloudApi, type CloudApi } from './cloud-api.ts'
import type { Command } from './commands.ts'
import { configFromFlags, UsageError } from './flags.ts'
import { parseWords } from './parse-words.ts'

interface Drain {
  empty: boolean
  servers: {
    id: string
    name: string
    action: string | null
    way: string | null
    vm_state: string
    fault: string | null
  }[]
}

const askEveryMs = 2000
/** How long a controller may be away. */
const patienceMs = 600_000

/**
 * `lodge host drain`: moves all servers off a host and shows how far that is. It goes on when this command is ended. Status 1
 * when servers stay that cannot be moved by themselves.
 */
export const hostDrain: Command = {
  name: 'host drain',
  usage: 'HOST [--stop] [--no-wait] [--state DIR] [--config FILE]',
  summary: 'move all servers off a host, or end its maintenance with --stop',
  run: async (words) => {
    const { switches, positionals, settings } = parseWords(words, {
      switches: ['stop', 'no-wait'],
      atMost: 1,
    })
    const [host] = positionals
    if (host === undefined) throw new UsageError('HOST is missing')
    const config = configFromFlags(settings, ['state', 'config', 'log-level'])
    const { cloudsFile } = stateDirectory(config.stateDirectory)
    const api = await openCloudApi(cloudsFile)
    const path = `/lodge/v1/hosts/${encodeURIComponent(host)}/drain`
    if (switches.has('stop')) {
      await api.call('DELETE', path)
      console.log(`Servers may be placed on ${host} again.`)
      return 0
    }
    let { drain } = (await api.call('POST', path)) as { drain: Drain }
    if (switches.has('no-wait')) {
      console.log(`${host} is being emptied of ${drain.servers.length} servers.`)
      return 0
    }
    const ask = patientApi(cloudsFile, api)
    for (let said = ''; ;) {
      const now = inWords(host, drain)
      if (now !== said) console.log((said = now))
      if (drain.empty) return 0
      if (drain.servers.every(({ way, action }) => way === null && action === null)) return stays(drain)
      await new Promise((resolve) => {
        setTimeout(resolve, askEveryMs)
      })
      drain = await ask(path)
    }
  },
}

/** The drain goes on over restarts of controllers; so does the one who watches it. */
function patientApi(cloudsFile: string, first: CloudApi): (path: string) => Promise<Drain> {
  let api: CloudApi | undefined = first
  return async (path) => {
    for (const end = Date.now() + patienceMs; ;) {
      try {
        api ??= await openCloudApi(cloudsFile)
        return ((await api.call('GET', path)) as { drain: Drain }).drain
      } catch (error) {
        const passes = error instanceof LodgeError && ['unavailable', 'unauthorized'].includes(error.kind)
        if (!passes || Date.now() > end) throw error
        if (api) console.error('no controller answers; asking on')
        api = undefined
      }
      await new Promise((resolve) => {
        setTimeout(resolve, askEveryMs)
      })
    }
  }
}

function inWords(host: string, { empty, servers }: Drain): string {
  if (empty) return `${host} is empty, and stays so until lodge host drain ${host} --stop.`
  const moving = servers.filter(({ action }) => action !== null).length
  return `${host}: ${servers.length} servers left, ${moving} of them on their way`
}

function stays({ servers }: Drain): number {
  for (const { id, name, vm_state } of servers)
    console.error(`${id} (${name}) stays: a server that is ${vm_state} cannot be moved`)
  return 1
}

import { startLab } from '../lab/start-lab.ts'
import type { Command } from './commands.ts'
import { UsageError } from './flags.ts'
import { parseLabWords } from './lab-words.ts'

/** `lodge lab up`: starts a lab that stays until `lodge lab down`. */
export const labUp: Command = {
  name: 'lab up',
  usage: '[--hosts N] [--dir DIR]',
  summary: 'start hypervisor hosts in namespaces of this machine, each with its own libvirtd',
  run: async (words) => {
    const { directory, hosts = '3', others } = parseLabWords(words, { hosts: true })
    if (others.length > 0) throw new UsageError(`'${others[0]}' is one word too many`)
    if (!/^\d{1,3}$/.test(hosts)) throw new UsageError(`--hosts wants a number, not '${hosts}'`)
    const lab = await startLab({
      hosts: Number(hosts),
      directory,
      stay: true,
      onHost: (host) => console.log(`${host.name} is up: ${host.address}  ${host.libvirtUri}`),
    })
    console.log(`\nThe lab in ${lab.directory} runs until 'lodge lab down'.`)
    return 0
  },
}

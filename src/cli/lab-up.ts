import type { Lab } from '../lab/lab.ts'
import { startCloud } from '../lab/start-cloud.ts'
import { startLab } from '../lab/start-lab.ts'
import type { Command } from './commands.ts'
import { UsageError } from './flags.ts'
import { parseLabWords } from './lab-words.ts'

/** `lodge lab up`: starts a lab that stays until `lodge lab down`. */
export const labUp: Command = {
  name: 'lab up',
  usage: '[--hosts N] [--bare | --shared-storage] [--dir DIR]',
  summary:
    'start hosts in namespaces of this machine, with libvirt, QEMU and Lodge; --bare: without Lodge; --shared-storage: one directory for the disks of all hosts',
  run: async (words) => {
    const { directory, hosts = '3', bare, sharedStorage, others } = parseLabWords(words, { up: true })
    if (others.length > 0) throw new UsageError(`'${others[0]}' is one word too many`)
    if (bare && sharedStorage) throw new UsageError("--shared-storage is Lodge's, which --bare leaves out")
    if (!/^\d{1,3}$/.test(hosts)) throw new UsageError(`--hosts wants a number, not '${hosts}'`)
    const lab = await startLab({
      hosts: Number(hosts),
      directory,
      stay: true,
      onHost: (host) => console.log(`${host.name} is up: ${host.address}  ${host.libvirtUri}`),
    })
    if (!bare) await addCloud(lab, sharedStorage)
    console.log(`\nThe lab in ${lab.directory} runs until 'lodge lab down'.`)
    return 0
  },
}

async function addCloud(lab: Lab, sharedStorage: boolean): Promise<void> {
  try {
    const { url, cloudsFile } = await startCloud(lab, { sharedStorage })
    console.log(`Lodge is up at ${url}, with an agent on each host:`)
    console.log(`  OS_CLIENT_CONFIG_FILE=${cloudsFile} openstack --os-cloud lodge hypervisor list`)
  } catch (error) {
    await lab.stop()
    throw error
  }
}

import type { LabHost } from '../lab/lab.ts'
import { openLab } from '../lab/open-lab.ts'
import type { Command } from './commands.ts'
import { directoryIn } from './lab-words.ts'
import { table } from './table.ts'

/** `lodge lab status`: the hosts, which of them are up and cut, and how many guests run. Status 1 when no lab runs. */
export const labStatus: Command = {
  name: 'lab status',
  usage: '[--dir DIR]',
  summary: "show the lab's hosts, links and guests",
  run: async (words) => {
    const rows = await Promise.all(openLab(directoryIn(words)).hosts.map(row))
    console.log(table(['NO', 'HOST', 'STATE', 'LINK', 'GUESTS', 'ADDRESS', 'LIBVIRT'], rows))
    return 0
  },
}

async function row(host: LabHost): Promise<string[]> {
  const common = [host.address, host.libvirtUri]
  if (!host.isUp()) return [String(host.number), host.name, 'down', '-', '-', ...common]
  const link = (await host.isCut()) ? 'cut' : 'up'
  return [String(host.number), host.name, 'up', link, await countGuests(host), ...common]
}

/** A question mark where libvirtd does not answer. */
async function countGuests(host: LabHost): Promise<string> {
  try {
    const { stdout } = await host.exec(['virsh', '-q', 'list', '--name'], { timeout: 10_000 })
    return String(stdout.split('\n').filter((line) => line !== '').length)
  } catch {
    return '?'
  }
}

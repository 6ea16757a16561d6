import { examine } from '../daemon/doctor.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'

const allowed: Flag[] = ['state', 'libvirt-uri', 'config']

/** `lodge doctor`: whether records, domains, disks and allocations agree. Status 1 when something is found. */
export const doctor: Command = {
  name: 'doctor',
  usage: usageOf(allowed),
  summary: 'check that records, domains, disks and allocations agree, and that nothing is stuck',
  run: async (words) => {
    const { findings, examined } = await examine(configFromFlags(words, allowed))
    for (const finding of findings) console.log(finding)
    console.log(
      `${examined.servers} servers, ${examined.domains} domains, ${examined.disks} disk directories examined: ` +
        (findings.length === 0 ? 'nothing found' : `${findings.length} found`),
    )
    return findings.length === 0 ? 0 : 1
  },
}

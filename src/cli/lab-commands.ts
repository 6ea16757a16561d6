import type { LabHost } from '../lab/lab.ts'
import { openLab } from '../lab/open-lab.ts'
import { sweepLab } from '../lab/sweep-lab.ts'
import type { Command } from './commands.ts'
import { UsageError } from './flags.ts'
import { labSh } from './lab-sh.ts'
import { labStatus } from './lab-status.ts'
import { labUp } from './lab-up.ts'
import { directoryIn, hostIn, hostOf, parseLabWords } from './lab-words.ts'

/** A verb on one host. */
const onHost = (verb: string, summary: string, act: (host: LabHost) => Promise<void>): Command => ({
  name: `lab ${verb}`,
  usage: '[--dir DIR] N',
  summary,
  run: async (words) => {
    await act(hostIn(words))
    return 0
  },
})

/** `lodge lab kill`: a host for good, or a program that the lab then starts again, as a service manager would. */
const labKill: Command = {
  name: 'lab kill',
  usage: '[--dir DIR] N [agent|libvirtd] | controller | nats',
  summary: 'crash host N, all that runs on it; or one program, which is started again in a second',
  run: async (words) => {
    const { directory, others } = parseLabWords(words)
    const [victim, program, ...more] = others
    if (victim === undefined) throw new UsageError('kill what? Say the number of a host, controller or nats')
    const ofSwitch = victim === 'controller' || victim === 'nats'
    const [excess] = ofSwitch ? others.slice(1) : more
    if (excess !== undefined) throw new UsageError(`'${excess}' is one word too many`)
    if (program !== undefined && program !== 'agent' && program !== 'libvirtd')
      throw new UsageError(`of a host, agent or libvirtd can be killed, not '${program}'`)
    if (ofSwitch) await openLab(directory).service(victim).kill()
    else if (program === undefined) await hostOf(directory, victim).kill()
    else
      await hostOf(directory, victim)
        .service(program === 'agent' ? 'service' : program)
        .kill()
    return 0
  },
}

/** `lodge lab down`: ends the lab, or removes what is left of one that was killed. Without a lab, done already. */
const labDown: Command = {
  name: 'lab down',
  usage: '[--dir DIR]',
  summary: 'end the lab and remove all that it kept, disks included',
  run: async (words) => {
    await sweepLab(directoryIn(words))
    return 0
  },
}

/** All of `lodge lab`. */
export const labCommands: Command[] = [
  labUp,
  labStatus,
  labSh,
  labKill,
  onHost('start', 'start host N again, with the disks it had', (host) => host.start()),
  onHost('cut', "cut host N's network link", (host) => host.cut()),
  onHost('mend', "mend host N's network link", (host) => host.mend()),
  labDown,
]

import type { LabHost } from '../lab/lab.ts'
import { sweepLab } from '../lab/sweep-lab.ts'
import type { Command } from './commands.ts'
import { labSh } from './lab-sh.ts'
import { labStatus } from './lab-status.ts'
import { labUp } from './lab-up.ts'
import { directoryIn, hostIn } from './lab-words.ts'

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
  onHost('kill', 'crash host N: all that runs on it is gone at once', (host) => host.kill()),
  onHost('start', 'start host N again, with the disks it had', (host) => host.start()),
  onHost('cut', "cut host N's network link", (host) => host.cut()),
  onHost('mend', "mend host N's network link", (host) => host.mend()),
  labDown,
]

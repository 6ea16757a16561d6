import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'

const allowed: Flag[] = ['config', 'state', 'listen', 'simulate', 'libvirt-uri', 'public-url', 'log-level']

/** `lodge config show`: every setting with its value, in the form of a settings file. */
export const configShow: Command = {
  name: 'config show',
  usage: usageOf(allowed),
  summary: 'print every setting with its value, in the form of a settings file',
  run: async (words) => {
    console.log(JSON.stringify(configFromFlags(words, allowed), null, 2))
    return 0
  },
}

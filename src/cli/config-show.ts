import { withoutPassword } from '../base/without-password.ts'
import type { Command } from './commands.ts'
import { configFromFlags, usageOf, type Flag } from './flags.ts'

const allowed: Flag[] = ['config', 'state', 'listen', 'simulate', 'libvirt-uri', 'public-url', 'log-level']

/** `lodge config show`: every setting with its value but for a password, in the form of a settings file. */
export const configShow: Command = {
  name: 'config show',
  usage: usageOf(allowed),
  summary: 'print every setting with its value, in the form of a settings file',
  run: async (words) => {
    const config = configFromFlags(words, allowed)
    const { url } = config.store
    const shown = { ...config, store: { ...config.store, url: url && withoutPassword(url) } }
    console.log(JSON.stringify(shown, null, 2))
    return 0
  },
}

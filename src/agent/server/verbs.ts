import type { Command, Verb } from '../../contract/command.ts'
import { destroy } from './destroy.ts'
import { pause } from './pause.ts'
import { reboot } from './reboot.ts'
import { resume } from './resume.ts'
import { snapshot } from './snapshot.ts'
import { spawn } from './spawn.ts'
import { start } from './start.ts'
import { stop } from './stop.ts'
import { suspend } from './suspend.ts'
import { unpause } from './unpause.ts'
import type { Done, VerbContext, VerbRun } from './verb.ts'

const verbs: { [V in Verb]: VerbRun<V> } = {
  spawn,
  destroy,
  start,
  stop,
  reboot,
  pause,
  unpause,
  suspend,
  resume,
  snapshot,
}

export const isVerb = (name: string): name is Verb => Object.hasOwn(verbs, name)

export const performCommand = (context: VerbContext, command: Command, signal: AbortSignal): Promise<Done> =>
  (verbs[command.verb] as VerbRun<Verb>)(context, command, signal)

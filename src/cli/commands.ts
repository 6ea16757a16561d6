import { configShow } from './config-show.ts'
import { doctor } from './doctor.ts'
import { labCommands } from './lab-commands.ts'
import { status } from './status.ts'
import { up } from './up.ts'

/** One verb of the `lodge` command. */
export interface Command {
  /** As it is typed: one word or two. */
  name: string
  usage: string
  summary: string
  /** Its words are another program's, whose --help is not ours. */
  takesProgram?: boolean
  /** Gets the words after the name; returns the exit status. May throw LodgeError and UsageError. */
  run(words: string[]): Promise<number>
}

export const commands: Command[] = [up, status, doctor, configShow, ...labCommands]

import { agent } from './agent.ts'
import { agentJoin } from './agent-join.ts'
import { agentStatus } from './agent-status.ts'
import { configShow } from './config-show.ts'
import { controller } from './controller.ts'
import { doctor } from './doctor.ts'
import { explain } from './explain.ts'
import { fleetInit } from './fleet-init.ts'
import { forecast } from './forecast.ts'
import { hostDrain } from './host-drain.ts'
import { hostInvite } from './host-invite.ts'
import { hostRevoke } from './host-revoke.ts'
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

/** The longer of two names that begin alike comes first. */
export const commands: Command[] = [
  up,
  status,
  doctor,
  explain,
  forecast,
  configShow,
  fleetInit,
  controller,
  hostInvite,
  hostDrain,
  hostRevoke,
  agentJoin,
  agentStatus,
  agent,
  ...labCommands,
]

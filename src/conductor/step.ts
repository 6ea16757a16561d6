import type { CommandTable, Fault, Verb } from '../contract/command.ts'
import type { Action, ConductedAction } from '../model/action.ts'
import type { Server } from '../model/server.ts'
import type { PowerState, TaskState } from '../model/server-state.ts'
import type { ServerPatch } from '../store/servers.ts'
import type { Db } from '../store/store.ts'
import type { ConductorContext } from './context.ts'

/** One action as its steps see it. */
export interface ActionScene {
  context: ConductorContext
  action: Action
  /** As last read or written by this action. */
  server: Server
  definition: ActionDefinition
}

/** What a step asks of an agent. */
export interface CommandPlan<V extends Verb = Verb> {
  host: string
  verb: V
  params: CommandTable[V]['params']
}

/** What a step has written, for the scene to follow. */
export interface Change {
  progress?: Record<string, unknown>
  server?: ServerPatch
}

/** How entering a step ended: it may go on, or not; then it has written nothing. */
export type Entered =
  | ({ kind: 'ok'; /** Nothing to do in this step: the next one is entered. */ skip?: boolean } & Change)
  /** The server is no longer in a state of this action: someone else has taken it over, such as a delete. */
  | { kind: 'superseded' }
  | { kind: 'failed'; fault: Fault }
  /** Not now; try again a little later. */
  | { kind: 'wait' }

/**
 * One step of an action. What it writes is written in the transactions that make it the current step (`enter`) and
 * that close it (`leave`), so a crash can only fall between them, where the command is sent again under the same
 * id. A step without a command is done with entering, in one transaction with the step after it.
 */
export interface Step {
  /** Part of the ids of its commands: never rename. */
  name: string
  /** Nova's name of the event; null: not shown. A step without a command is shown only when it fails. */
  event: string | null
  enter?(trx: Db, scene: ActionScene): Promise<Entered>
  /** Null: nothing to ask of a host this time. */
  command?(scene: ActionScene): Promise<CommandPlan | null>
  /** Writes the outcome. `result` is undefined when there was no command, or its host is down (see `hostDown`). */
  leave?(trx: Db, scene: ActionScene, result: unknown): Promise<Change>
  /** A host that is down fails the step unless it is skipped. */
  hostDown?: Skip
  /** What it leaves undone is no reason to undo what is done: a fault ends the step as if it had succeeded. */
  faults?: Skip
  /** The host that the event names; default: the server's. */
  eventHost?(scene: ActionScene): string | null
  /** How often a fault that may pass on the same host is tried again; default 5. Until the deadline: Infinity. */
  sameHostTries?: number
  undo?: {
    /**
     * Best effort: a host that cannot be reached now is cleaned by the census later. `undone` has the results of what
     * was undone before, by the names of the steps; undefined for what failed.
     */
    command?(scene: ActionScene, undone: ReadonlyMap<string, unknown>): Promise<CommandPlan | null>
    /**
     * Without this host's word nothing may go on: a host that is silent is waited for until it answers, or until an
     * operator or a fence says that it is down.
     */
    waitsForHost?(scene: ActionScene, undone: ReadonlyMap<string, unknown>): boolean
    /** `result` is the command's; undefined when there was none, or it failed. */
    write?(trx: Db, scene: ActionScene, result: unknown): Promise<Change>
    /** When its command fails nothing of the steps before is undone: it would not be safe. */
    barrier?: boolean
  }
}

/** Whether a step that fails in some way is passed over. */
export type Skip = 'skip' | ((scene: ActionScene) => boolean)

/** An action: its steps, and how the server is left when they fail for good. */
export interface ActionDefinition {
  name: ConductedAction
  /** Task states that belong to this action. In any other the server has been taken over by someone else. */
  tasks: readonly TaskState[]
  /** May be asked for while an earlier one of its kind is at work, whose end leaves the server without a task. */
  waitsItsTurn?: boolean
  steps: readonly Step[]
  /** After everything is undone: begin again at the first step? */
  again?(scene: ActionScene, fault: Fault): boolean
  /** The failure path wants to know whether the guest runs. */
  asksPowerState?: boolean
  /** The server's state after a failure; the fault is recorded besides. */
  failed(scene: ActionScene, fault: Fault, observed: PowerState | null): ServerPatch
  /** The fault as the user shall see it. */
  finalFault?(scene: ActionScene, fault: Fault): Fault
  /** Cleans up in the transaction that ends the action without success, whether failed or superseded. */
  abandoned?(trx: Db, scene: ActionScene): Promise<void>
}

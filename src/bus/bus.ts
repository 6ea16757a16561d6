import type { Command, Outcome, Query, QueryName, QueryTable, Verb } from '../contract/command.ts'
import type { AliveReport, Report } from '../contract/report.ts'

/** What an agent does with what reaches it. */
export interface AgentEndpoint {
  command(command: Command): Promise<Outcome>
  query<Q extends QueryName>(query: Query<Q>): Promise<QueryTable[Q]['result']>
}

/** What a controller must do something about, other than to know that the host lives. */
export type WorkedInReport = Exclude<Report, AliveReport>

/** Carries commands to agents and reports back. One side of each pair uses it; neither knows where the other runs. */
export interface Bus {
  /**
   * Sends a command and resolves with its outcome, however long that takes, or rejects with a LodgeError of kind
   * `unavailable` when the agent cannot be reached. Delivery is at least once: send again with the same id.
   */
  send<V extends Verb>(command: Command<V>): Promise<Outcome<V>>
  /** @throws LodgeError unavailable; or whatever LodgeError the agent answered with */
  ask<Q extends QueryName>(query: Query<Q>): Promise<QueryTable[Q]['result']>
  /** Each report reaches one controller of those that run. Signs of life are for `onHeartbeat` alone. */
  onReport(listener: (report: WorkedInReport) => void): void
  /** A heartbeat of the host has passed by. Every controller hears of every one, whoever works in what it says. */
  onHeartbeat(listener: (host: string) => void): void
  /** The agent's side: takes what is sent to `host`. Returns how to stop. */
  serve(host: string, endpoint: AgentEndpoint): Promise<() => Promise<void>>
  /** @throws LodgeError unavailable when it is known that nobody hears it */
  report(report: Report): Promise<void>
}

import type { Clock } from '../base/clock.ts'
import type { Report } from '../contract/report.ts'
import { essenceOf, type HostDescription } from '../model/host.ts'

/** Says that the host is there, and what it is as often as anybody needs to hear it. */
export interface Heartbeat {
  /** In full when the host has become another, and every third time; else only that it lives. */
  beat(): Promise<void>
  inFull(): Promise<void>
  /** The next one is in full. */
  forget(): void
}

export interface HeartbeatOptions {
  host: string
  describe: () => Promise<HostDescription>
  /** Resolves with whether the report was delivered. */
  send: (report: Report) => Promise<boolean>
  clock: Clock
}

/** Short ones between two in full: what was lost is said again well before the host would count as down. */
const shortOnes = 2

export function createHeartbeat({ host, describe, send, clock }: HeartbeatOptions): Heartbeat {
  let told: string | undefined
  let shortOnesLeft = 0

  async function sayAll(description: HostDescription): Promise<void> {
    const delivered = await send({ version: 1, type: 'host', host, at: clock.now(), description })
    told = delivered ? essenceOf(description) : undefined
    shortOnesLeft = shortOnes
  }

  return {
    async beat() {
      const description = await describe()
      if (told === undefined || shortOnesLeft === 0 || told !== essenceOf(description))
        return sayAll(description)
      shortOnesLeft -= 1
      await send({ version: 1, type: 'alive', host, at: clock.now() })
    },
    inFull: async () => sayAll(await describe()),
    forget() {
      told = undefined
    },
  }
}

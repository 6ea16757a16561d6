import type { Clock } from '../../base/clock.ts'
import { powerState } from '../../model/server-state.ts'
import type { SimulatedDomain } from './simulated-domain.ts'

/** How the software in a simulated guest reacts. */
export interface GuestBehaviour {
  /** Milliseconds from the power button to power off; null: it ignores the button. */
  shutdownMs: number | null
  /** Milliseconds from the request to the reboot; null: it ignores the request. */
  rebootMs: number | null
  /** Whether the guest agent runs in it. */
  agent: boolean
  /** What it writes to its memory and its disks while it runs, MiB/s. */
  writes: { memoryMiBps: number; diskMiBps: number }
}

export const stillGuest: GuestBehaviour['writes'] = { memoryMiBps: 0, diskMiBps: 0 }

export const politeGuest: GuestBehaviour = {
  shutdownMs: 20,
  rebootMs: 20,
  agent: false,
  writes: stillGuest,
}

/** The software in one domain. */
export interface SimulatedGuest {
  behaviour: GuestBehaviour
  frozen: boolean
  pressPowerButton(): void
  askToReboot(): void
  /** To be called when the domain runs again: does what a pause had kept it from. */
  woken(): void
}

export function createSimulatedGuest(
  domain: SimulatedDomain,
  clock: Clock,
  behaviour: GuestBehaviour,
  afterwards: () => void,
): SimulatedGuest {
  let waiting: (() => void) | undefined

  function react(ms: number | null, reaction: () => void): void {
    if (ms === null) return
    const { life } = domain
    const act = (): void => {
      if (domain.life !== life || !domain.active) return
      // A paused guest sees the button once it runs again.
      if (domain.state === powerState.PAUSED) {
        waiting = act
        return
      }
      reaction()
      afterwards()
    }
    void clock.sleep(ms).then(act)
  }

  const guest: SimulatedGuest = {
    behaviour,
    frozen: false,
    pressPowerButton: () => react(guest.behaviour.shutdownMs, () => domain.powerOff()),
    askToReboot: () => react(guest.behaviour.rebootMs, () => domain.reboot()),
    woken() {
      const act = waiting
      waiting = undefined
      act?.()
    },
  }
  return guest
}

import type { DomainSummary } from '../hypervisor/hypervisor.ts'
import { powerState } from '../model/server-state.ts'
import type { WantedPower } from './host-journal.ts'

/**
 * What the ledger is to say of a server whose guest was found so, with no command at work on it. A guest that went
 * off by itself stays off after a boot of the host, as the controller has it, and one that was started from outside
 * counts as running until the controller stops it. A pause from outside changes nothing, nor does a guest that was
 * saved to disk: it comes back.
 */
export function followed(wanted: WantedPower, domain: DomainSummary | undefined): WantedPower {
  if (domain?.powerState === powerState.RUNNING) return wanted === 'stopped' ? 'running' : wanted
  const isOff =
    !domain || domain.powerState === powerState.SHUTDOWN || domain.powerState === powerState.CRASHED
  if (!isOff || domain?.managedSave) return wanted
  return wanted === 'running' || wanted === 'paused' ? 'stopped' : wanted
}

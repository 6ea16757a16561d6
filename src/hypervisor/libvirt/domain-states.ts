import {
  VIR_DOMAIN_BLOCKED,
  VIR_DOMAIN_CRASHED,
  VIR_DOMAIN_PAUSED,
  VIR_DOMAIN_PMSUSPENDED,
  VIR_DOMAIN_RUNNING,
  VIR_DOMAIN_SHUTDOWN,
  VIR_DOMAIN_SHUTOFF,
} from '../../libvirt/constants.ts'
import { powerState, type PowerState } from '../../model/server-state.ts'

const table: Record<number, PowerState> = {
  [VIR_DOMAIN_RUNNING]: powerState.RUNNING,
  [VIR_DOMAIN_BLOCKED]: powerState.RUNNING,
  [VIR_DOMAIN_PAUSED]: powerState.PAUSED,
  // The guest is on its way down; Nova counts it as down already.
  [VIR_DOMAIN_SHUTDOWN]: powerState.SHUTDOWN,
  [VIR_DOMAIN_SHUTOFF]: powerState.SHUTDOWN,
  [VIR_DOMAIN_CRASHED]: powerState.CRASHED,
  [VIR_DOMAIN_PMSUSPENDED]: powerState.SUSPENDED,
}

/** virDomainState as a power state of the API, by Nova's table. */
export const powerStateOf = (state: number): PowerState => table[state] ?? powerState.NOSTATE

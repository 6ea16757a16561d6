import { sendSdNotify } from './ffi.ts'

/** What a service tells systemd of itself, as in sd_notify(3). */
export interface ServiceState {
  ready?: boolean
  stopping?: boolean
  /** Asks for another watchdog period. */
  watchdog?: boolean
  /** One line for `systemctl status`. */
  status?: string
}

/**
 * Tells systemd, on the socket that it named in NOTIFY_SOCKET. Returns whether it was told: false when we do not run
 * under systemd, or when it does not listen, which a service must outlive.
 */
export function sdNotify(state: ServiceState, environment: NodeJS.ProcessEnv = process.env): boolean {
  const path = environment['NOTIFY_SOCKET']
  return path !== undefined && path !== '' && sendSdNotify(path, messageOf(state)) === 0
}

/**
 * The period, in milliseconds, within which systemd wants to hear from this process; undefined when it does not
 * watch it. To be pinged at half of it, from the main event loop, so that a blocked loop is noticed.
 */
export function watchdogMilliseconds(environment: NodeJS.ProcessEnv, pid = process.pid): number | undefined {
  const microseconds = Number(environment['WATCHDOG_USEC'])
  const watched = environment['WATCHDOG_PID']
  if (!Number.isSafeInteger(microseconds) || microseconds <= 0) return undefined
  if (watched !== undefined && watched !== String(pid)) return undefined
  return microseconds / 1000
}

function messageOf(state: ServiceState): string {
  const lines = [
    state.ready && 'READY=1',
    state.stopping && 'STOPPING=1',
    state.watchdog && 'WATCHDOG=1',
    // A line break would begin another message.
    state.status !== undefined && `STATUS=${state.status.replaceAll(/[\r\n\0]+/g, ' ')}`,
  ]
  return lines.filter(Boolean).join('\n')
}

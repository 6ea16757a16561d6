import type { Logger } from '../base/logging.ts'
import { sdNotify, watchdogMilliseconds } from '../libvirt/sd-notify.ts'

/** Something that was started and can be stopped in good order. */
export interface Running {
  stop(): Promise<void>
  /** Rejects when it cannot go on; absent for what always can. */
  failed?: Promise<never>
}

/** How long a stop may take before the process leaves anyway; systemd's own patience is longer. */
const stopMilliseconds = 20_000

/**
 * Tells systemd that the process is ready, pings its watchdog from the main loop (a blocked loop means a restart),
 * and stops `running` at the first SIGTERM or SIGINT. A second signal, or a stop that hangs, ends the process with
 * status 1.
 * @throws what made `running` fail, after stopping the rest of it
 */
export async function superviseUntilSignal(running: Running, log: Logger): Promise<void> {
  const signal = nextSignal()
  sdNotify({ ready: true })
  const watchdog = watchdogMilliseconds(process.env)
  const ping =
    watchdog === undefined ? undefined : setInterval(() => sdNotify({ watchdog: true }), watchdog / 2)
  const ending = await Promise.race([
    signal.then((name) => ({ signal: name })),
    ...(running.failed ? [running.failed.catch((error: unknown) => ({ error }))] : []),
  ])
  clearInterval(ping)
  sdNotify({ stopping: true })
  log.info(ending, 'stopping; guests run on')
  void nextSignal().then(() => process.exit(1))
  const patience = setTimeout(() => {
    log.error('did not stop in time, leaving')
    process.exit(1)
  }, stopMilliseconds)
  await running.stop()
  clearTimeout(patience)
  if ('error' in ending) throw ending.error
}

function nextSignal(): Promise<string> {
  return new Promise((resolve) => {
    for (const name of ['SIGTERM', 'SIGINT'] as const) process.once(name, () => resolve(name))
  })
}

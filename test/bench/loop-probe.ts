/**
 * Loaded into a process with `--import`: writes, when the process is asked with SIGUSR2, the longest halt of its
 * event loop since the last time to the file that LODGE_LOOP_PROBE names, and begins anew.
 */
import { writeFileSync } from 'node:fs'
import { monitorEventLoopDelay } from 'node:perf_hooks'

const resolution = 2
const histogram = monitorEventLoopDelay({ resolution })
histogram.enable()

process.on('SIGUSR2', () => {
  const longest = histogram.max / 1e6 - resolution
  histogram.reset()
  writeFileSync(process.env['LODGE_LOOP_PROBE'] ?? '/dev/null', `${longest}\n`)
})

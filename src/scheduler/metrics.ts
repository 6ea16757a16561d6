import type { SchedulerConfig } from '../base/scheduler-config.ts'
import type { HostDescription } from '../model/host.ts'
import type { HostFacts } from './host-state.ts'

const metrics: Record<string, (description: HostDescription) => number> = {
  'load.1': ({ loadAverage }) => loadAverage[0],
  'load.5': ({ loadAverage }) => loadAverage[1],
  'load.15': ({ loadAverage }) => loadAverage[2],
  'memory.used.mb': ({ memoryUsedMiB }) => memoryUsedMiB,
  'disk.free.gb': ({ diskFreeGiB }) => diskFreeGiB,
  'domains.running': ({ runningDomains }) => runningDomains,
}

/** A metric of a host by its name, undefined for one that it does not report. */
export const metricOf = ({ description }: HostFacts, name: string): number | undefined =>
  description && Object.hasOwn(metrics, name) ? metrics[name]!(description) : undefined

/** What `metricsSetting` says: each metric's ratio. */
export const metricRatios = ({ metricsSetting }: SchedulerConfig): Map<string, number> =>
  new Map(
    metricsSetting.map((text) => {
      const [name = '', ratio = ''] = text.split('=')
      return [name.trim(), Number(ratio)]
    }),
  )

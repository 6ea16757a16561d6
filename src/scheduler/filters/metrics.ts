import type { Filter } from '../filter.ts'
import { metricOf, metricRatios } from '../metrics.ts'

/** Hosts that report every metric of `metricsSetting`. */
export const metricsFilter: Filter = {
  name: 'MetricsFilter',
  prepare: (_request, { facts }, settings) => {
    const names = [...metricRatios(settings).keys()]
    if (names.length === 0) return null
    return (index) => names.every((name) => metricOf(facts[index]!, name) !== undefined)
  },
}

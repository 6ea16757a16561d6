import { metricOf, metricRatios } from '../metrics.ts'
import type { Weigher } from '../weigher.ts'

/** The sum of the metrics of `metricsSetting`, each times its ratio. */
export const metricsWeigher: Weigher = {
  name: 'metrics',
  setting: 'metricsWeight',
  aggregateKey: 'metrics_weight_multiplier',
  values: (_request, { facts }, settings) => {
    const ratios = [...metricRatios(settings)]
    if (ratios.length === 0) return null
    return Float64Array.from(facts, (host) => {
      let sum = 0
      for (const [name, ratio] of ratios) {
        const value = metricOf(host, name)
        if (value === undefined) return settings.metricsUnavailableWeight
        sum += ratio * value
      }
      return sum
    })
  },
}

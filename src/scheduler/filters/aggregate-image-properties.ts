import { aggregateValues } from '../aggregate-metadata.ts'
import type { Filter } from '../filter.ts'
import type { HostFacts } from '../host-state.ts'

/**
 * An image property that an aggregate's metadata has too must have one of its values. With a namespace only
 * metadata is looked at that begins with it.
 */
export const aggregateImagePropertiesFilter: Filter = {
  name: 'AggregateImagePropertiesIsolation',
  prepare: ({ image }, { facts, hasAggregateMetadata }, settings) => {
    const { imageIsolationNamespace: namespace, imageIsolationSeparator: separator } = settings
    const prefix = namespace === null ? '' : `${namespace}${separator}`
    const properties = Object.entries(image?.properties ?? {}).filter(([key]) => key.startsWith(prefix))
    if (!hasAggregateMetadata || properties.length === 0) return null
    return (index) => properties.every(([key, value]) => allows(facts[index]!, key, value))
  },
}

function allows(host: HostFacts, key: string, value: string): boolean {
  const values = aggregateValues(host, key)
  return values.size === 0 || values.has(value)
}

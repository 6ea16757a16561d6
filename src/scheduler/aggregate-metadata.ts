import type { HostFacts } from './host-state.ts'

/** The values that a host's aggregates give a key, each split at commas; empty when none has it. */
export function aggregateValues({ aggregates }: HostFacts, key: string): Set<string> {
  const values = new Set<string>()
  for (const { metadata } of aggregates) {
    if (!Object.hasOwn(metadata, key)) continue
    for (const value of metadata[key]!.split(',')) values.add(value.trim())
  }
  return values
}

/** The smallest number that a host's aggregates give a key, `otherwise` when none does. */
export function aggregateNumber(host: HostFacts, key: string, otherwise: number): number {
  if (host.aggregates.length === 0) return otherwise
  const numbers = [...aggregateValues(host, key)].filter((text) => text !== '').map(Number)
  const sound = numbers.filter((number) => !Number.isNaN(number))
  return sound.length > 0 ? Math.min(...sound) : otherwise
}

/** Which things, by their keys, are in use at this moment. */
export interface Uses {
  hold(key: string): Disposable
  /** Which were in use at any time from now until it is disposed of. */
  track(): Disposable & { touched(key: string): boolean }
}

export function createUses(): Uses {
  const counts = new Map<string, number>()
  const trackers = new Set<Set<string>>()
  return {
    hold(key) {
      counts.set(key, (counts.get(key) ?? 0) + 1)
      for (const tracker of trackers) tracker.add(key)
      return {
        [Symbol.dispose]() {
          const left = counts.get(key)! - 1
          if (left > 0) counts.set(key, left)
          else counts.delete(key)
        },
      }
    },
    track() {
      const seen = new Set(counts.keys())
      trackers.add(seen)
      return {
        touched: (key) => seen.has(key),
        [Symbol.dispose]: () => void trackers.delete(seen),
      }
    },
  }
}

/** Runs the work for one server one piece after the other, in the order it came; servers beside each other. */
export interface ServerQueues {
  add<T>(serverId: string, work: () => Promise<T>): Promise<T>
  busy(serverId: string): boolean
  /** Which servers are busy at any time from now until `end`. */
  track(): { touched(serverId: string): boolean; end(): void }
  /** Resolves when nothing runs any more. */
  idle(): Promise<void>
}

interface Queue {
  length: number
  last: Promise<unknown>
}

export function createServerQueues(): ServerQueues {
  const queues = new Map<string, Queue>()
  const trackers = new Set<Set<string>>()

  function leave(serverId: string, queue: Queue): void {
    queue.length--
    if (queue.length === 0) queues.delete(serverId)
  }

  return {
    add(serverId, work) {
      const queue = queues.get(serverId) ?? { length: 0, last: Promise.resolve() }
      queues.set(serverId, queue)
      queue.length++
      for (const tracker of trackers) tracker.add(serverId)
      const result = queue.last.then(work)
      queue.last = result.then(
        () => leave(serverId, queue),
        () => leave(serverId, queue),
      )
      return result
    },
    busy: (serverId) => queues.has(serverId),
    track() {
      const seen = new Set(queues.keys())
      trackers.add(seen)
      return {
        touched: (serverId) => seen.has(serverId),
        end: () => void trackers.delete(seen),
      }
    },
    async idle() {
      while (queues.size > 0) await Promise.all(queues.values().map(({ last }) => last))
    },
  }
}

/** Lets at most so many pieces of work run at once; the rest wait in order. */
export interface Semaphore {
  /** @throws the signal's reason when it is aborted while waiting */
  run<T>(signal: AbortSignal, work: () => Promise<T>): Promise<T>
}

export function createSemaphore(limit: number): Semaphore {
  let free = limit
  const waiting: (() => void)[] = []

  async function enter(signal: AbortSignal): Promise<void> {
    signal.throwIfAborted()
    if (free > 0) {
      free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const enterNow = (): void => {
        signal.removeEventListener('abort', giveUp)
        resolve()
      }
      const giveUp = (): void => {
        waiting.splice(waiting.indexOf(enterNow), 1)
        reject(signal.reason)
      }
      waiting.push(enterNow)
      signal.addEventListener('abort', giveUp, { once: true })
    })
  }

  /** Hands the place to the next in line, so that nobody who comes later can take it. */
  function leave(): void {
    const next = waiting.shift()
    if (next) next()
    else free++
  }

  return {
    async run(signal, work) {
      await enter(signal)
      try {
        return await work()
      } finally {
        leave()
      }
    },
  }
}

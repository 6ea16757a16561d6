/** Work that several may want at once, done once. */
export interface SharedJobs<T> {
  /**
   * Starts `work` under `key`, or joins the run that is under way; all who joined get its outcome. One whose
   * signal aborts leaves alone; when all have left, the work's own signal aborts.
   */
  join(key: string, work: (signal: AbortSignal) => Promise<T>, signal?: AbortSignal): Promise<T>
}

interface Job<T> {
  outcome: Promise<T>
  abort: AbortController
  waiting: number
}

export function createSharedJobs<T>(): SharedJobs<T> {
  const jobs = new Map<string, Job<T>>()

  const start = (key: string, work: (signal: AbortSignal) => Promise<T>): Job<T> => {
    const abort = new AbortController()
    const job: Job<T> = { abort, waiting: 0, outcome: work(abort.signal) }
    jobs.set(key, job)
    const forget = (): void => {
      if (jobs.get(key) === job) jobs.delete(key)
    }
    job.outcome.then(forget, forget)
    return job
  }

  return {
    async join(key, work, signal) {
      signal?.throwIfAborted()
      const current = jobs.get(key)
      // One that everybody has left is ending; its failure is not for newcomers.
      const job = current && !current.abort.signal.aborted ? current : start(key, work)
      job.waiting++
      try {
        return await untilAborted(job.outcome, signal)
      } finally {
        job.waiting--
        if (job.waiting === 0) job.abort.abort(signal?.reason)
      }
    },
  }
}

async function untilAborted<T>(outcome: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return await outcome
  const aborted = Promise.withResolvers<never>()
  const onAbort = (): void => aborted.reject(signal.reason)
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([outcome, aborted.promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

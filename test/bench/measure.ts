/** Times of one thing, in milliseconds. */
export interface Sample {
  median: number
  p99: number
  min: number
  max: number
  count: number
}

/** Runs `work` `count` times, one after another, and times each. */
export async function measure(count: number, work: (index: number) => Promise<void>): Promise<Sample> {
  const times: number[] = []
  for (let index = 0; index < count; index++) times.push(await timed(() => work(index)))
  return sampleOf(times)
}

/** Milliseconds that `work` takes. */
export async function timed(work: () => Promise<void>): Promise<number> {
  const start = performance.now()
  await work()
  return performance.now() - start
}

export function sampleOf(times: number[]): Sample {
  const sorted = times.toSorted((a, b) => a - b)
  const at = (share: number): number =>
    sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? NaN
  return {
    median: at(0.5),
    p99: at(0.99),
    min: at(0),
    max: sorted.at(-1) ?? NaN,
    count: sorted.length,
  }
}

/**
 * What comes, until the signal ends it with its reason: at once, even while nothing comes. The source is then closed,
 * but not waited for.
 */
export async function* untilCut<T>(data: AsyncIterable<T>, signal: AbortSignal): AsyncGenerator<T> {
  const source = data[Symbol.asyncIterator]()
  let onCut = (): void => {}
  signal.addEventListener('abort', () => onCut(), { once: true })
  // One promise for each piece: what is raced again and again against one promise piles up on it.
  const next = (): Promise<IteratorResult<T>> =>
    new Promise((resolve, reject) => {
      onCut = () => reject(signal.reason)
      source.next().then(resolve, reject)
    })
  try {
    for (;;) {
      signal.throwIfAborted()
      const { value, done } = await next()
      signal.throwIfAborted()
      if (done) return
      yield value
    }
  } finally {
    source.return?.().catch(() => {})
  }
}

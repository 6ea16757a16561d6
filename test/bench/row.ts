/** One line of a benchmark's table. */
export interface Row {
  what: string
  /** The compared thing, measured in the same run; null where there is none. */
  raw: number | null
  lodge: number
  unit: 'ms' | 'MiB' | '/s' | '%'
  /** What is promised of `lodge` alone, of the ratio to raw, or of the difference; null: it is only told. */
  promise:
    | { kind: 'at most'; value: number }
    | { kind: 'at least'; value: number }
    | { kind: 'ratio at most'; value: number }
    | { kind: 'adds at most'; value: number }
    | null
  count: number
}

/** Whether a row keeps its promise. */
export function kept({ raw, lodge, promise }: Row): boolean {
  if (promise === null) return true
  if (promise.kind === 'at least') return lodge >= promise.value
  return figureOf({ raw, lodge, promise }) <= promise.value
}

/** The figure that the promise is about. */
export function figureOf({ raw, lodge, promise }: Pick<Row, 'raw' | 'lodge' | 'promise'>): number {
  if (promise?.kind === 'ratio at most') return lodge / (raw ?? NaN)
  return promise?.kind === 'adds at most' ? lodge - (raw ?? NaN) : lodge
}

/** Goes round and round the rows of a table, so many at a time that none is left out for longer than a period. */
export interface Round {
  /** The positions to look at now: from `from`, before `to`; null when it is too early for any. */
  next(now: number, size: number): { from: number; to: number } | null
  /** Nobody has looked for so long that the next look is at all of them. */
  isAllDue(now: number): boolean
  /** All of them have been looked at. */
  done(now: number): void
}

/** A look at fewer is not worth the query. */
const fewest = 100

/** A round of `periodMs`; what was not looked at for as long is due all at once. */
export function createRound(periodMs: number): Round {
  let lookedAt = -Infinity
  let position = 0
  /** A clock that was set back tells nothing of how much time has passed. */
  const shareAt = (now: number): number => (now < lookedAt ? 1 : Math.min((now - lookedAt) / periodMs, 1))
  return {
    isAllDue: (now) => shareAt(now) === 1,
    next: (now, size) => {
      const share = shareAt(now)
      const due = Math.ceil(size * share)
      if (share < 1 && due < fewest) return null
      lookedAt = now
      if (share === 1) {
        position = 0
        return { from: 0, to: size }
      }
      const from = position < size ? position : 0
      const to = Math.min(from + due, size)
      position = to
      return { from, to }
    },
    done: (now) => {
      lookedAt = now
      position = 0
    },
  }
}

import type { Filter } from '../filter.ts'

/** Nova's ComputeFilter as two rules, so that reasons tell an operator's word from silence. */
export const computeFilters: readonly Filter[] = [
  {
    name: 'forced-down',
    prepare:
      (_request, { forcedDown }) =>
      (index) =>
        forcedDown[index] === 0,
  },
  {
    name: 'down',
    prepare: ({ upSince }, { lastSeenAt }) =>
      upSince === -Infinity ? null : (index) => lastSeenAt[index]! >= upSince,
  },
]

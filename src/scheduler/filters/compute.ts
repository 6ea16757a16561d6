import { atLeast, unset, type Filter } from '../filter.ts'

/** Nova's ComputeFilter as two rules, so that reasons tell an operator's word from silence. */
export const computeFilters: readonly Filter[] = [
  {
    name: 'forced-down',
    prepare: (_request, { forcedDown }) => unset(forcedDown),
  },
  {
    name: 'down',
    prepare: ({ upSince }, { lastSeenAt }) => (upSince === -Infinity ? null : atLeast(lastSeenAt, upSince)),
  },
]

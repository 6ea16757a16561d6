import type { Filter } from '../filter.ts'

/** Which hosts are in question at all. */
export const askedForFilters: readonly Filter[] = [
  {
    name: 'not-requested',
    prepare: ({ requestedHost }, table) => {
      if (requestedHost == null) return null
      const only = table.indexOf.get(requestedHost) ?? table.indexOfAnyCase.get(requestedHost.toLowerCase())
      return (index) => index === only
    },
  },
  {
    name: 'already-tried',
    prepare: ({ excluded = [] }, table) => {
      if (excluded.length === 0) return null
      const tried = new Set(excluded.map((name) => table.indexOf.get(name)))
      return (index) => !tried.has(index)
    },
  },
]

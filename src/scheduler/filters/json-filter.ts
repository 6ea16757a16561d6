import { passNone, type Filter } from '../filter.ts'
import { compileQuery } from '../json-query.ts'

/** The hint `query`, such as `[">=", "$free_ram_mb", 1024]`. One that makes no sense lets no host pass. */
export const jsonFilter: Filter = {
  name: 'JsonFilter',
  prepare: ({ hints }, table) => {
    const query = hints['query']
    if (query == null) return null
    const compiled = compileQuery(query)
    return compiled ? (index) => compiled(table, index) : passNone
  },
}

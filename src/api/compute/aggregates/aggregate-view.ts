import { zoneKey, type Aggregate } from '../../../store/aggregates.ts'
import { isoMicroseconds } from '../../common/time.ts'

/** An aggregate as the API shows it; `uuid` came with 2.41. */
export const aggregateView = (aggregate: Aggregate, version: number) => ({
  ...newAggregateView(aggregate, version),
  hosts: aggregate.hosts,
  metadata: aggregate.metadata,
})

/** The answer to a create has neither hosts nor metadata. */
export const newAggregateView = (aggregate: Aggregate, version: number) => ({
  id: aggregate.number,
  name: aggregate.name,
  availability_zone: aggregate.metadata[zoneKey] ?? null,
  created_at: isoMicroseconds(aggregate.createdAt),
  updated_at: isoMicroseconds(aggregate.updatedAt),
  deleted: false,
  deleted_at: null,
  ...(version >= 41 && { uuid: aggregate.id }),
})

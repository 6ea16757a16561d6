import type { MigrationOutcome } from '../model/migration-forecast.ts'
import type { Db } from './store.ts'

/** How many migrations back are looked at. */
const latest = 5
/** Less takes no time that could be measured. */
const leastBytes = 64 * 2 ** 20

/**
 * The most that one of the latest live migrations from `source` to `dest` has sent of memory, bytes a second; with a
 * `dest` of null to anywhere. Null when there were none.
 */
export async function measuredBandwidth(db: Db, source: string, dest: string | null): Promise<number | null> {
  let query = db
    .selectFrom('migrations as m')
    .innerJoin('actions as a', (join) =>
      join.onRef('a.server_id', '=', 'm.server_id').onRef('a.request_id', '=', 'm.request_id'),
    )
    .select('a.progress_json')
    .where('m.type', '=', 'live-migration')
    .where('m.status', '=', 'completed')
    .where('m.source_host', '=', source)
    .orderBy('m.number', 'desc')
    .limit(latest)
  if (dest !== null) query = query.where('m.dest_host', '=', dest)
  const speeds = (await query.execute()).flatMap(({ progress_json: json }) => {
    const { outcome } = JSON.parse(json) as { outcome?: MigrationOutcome }
    return outcome && outcome.memoryBytes >= leastBytes ? (outcome.bytesPerSecond ?? []) : []
  })
  return speeds.length === 0 ? null : Math.max(...speeds)
}

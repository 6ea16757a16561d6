import { liveMigrationStatuses, type Migration } from '../../../model/migration.ts'
import { flavorNumbersOf } from '../../../store/flavor-numbers.ts'
import { hostAddresses } from '../../../store/host-list.ts'
import type { Db } from '../../../store/store.ts'
import { resourceLinks } from '../../common/links.ts'
import type { ApiRequest } from '../../common/route.ts'
import { isoMicroseconds } from '../../common/time.ts'

type Asker = Pick<ApiRequest, 'version' | 'links' | 'caller'>

/** Addresses of hosts by their names. */
type Addresses = Map<string, string>

/** Names of hosts are for administrators. */
const hostFields = (migration: Migration, addresses: Addresses, { caller }: Asker) => ({
  source_compute: caller.isAdmin ? migration.sourceHost : null,
  source_node: caller.isAdmin ? migration.sourceHost : null,
  dest_compute: caller.isAdmin ? migration.destHost : null,
  dest_node: caller.isAdmin ? migration.destHost : null,
  dest_host: caller.isAdmin ? (addresses.get(migration.destHost ?? '') ?? null) : null,
})

/** In the list of all migrations. Type and links came with 2.23, the UUID with 2.59, owners with 2.80. */
export function migrationView(
  migration: Migration,
  { addresses, flavors }: { addresses: Addresses; flavors: Map<string, number> },
  request: Asker,
): Record<string, unknown> {
  const { version } = request
  const isLive = migration.type === 'live-migration' && liveMigrationStatuses.includes(migration.status)
  return {
    id: migration.number,
    instance_uuid: migration.serverId,
    status: migration.status,
    old_instance_type_id: flavors.get(migration.oldFlavorId) ?? null,
    new_instance_type_id: flavors.get(migration.newFlavorId) ?? null,
    ...hostFields(migration, addresses, request),
    created_at: isoMicroseconds(migration.createdAt),
    updated_at: isoMicroseconds(migration.updatedAt),
    ...(version >= 23 && { migration_type: migration.type }),
    ...(version >= 23 &&
      isLive && {
        links: resourceLinks(request, `/servers/${migration.serverId}/migrations/${migration.number}`),
      }),
    ...identityFields(migration, version),
  }
}

/** A live migration under way, as its server shows it. */
export function serverMigrationView(
  migration: Migration,
  addresses: Addresses,
  request: Asker,
): Record<string, unknown> {
  const { progress } = migration
  return {
    id: migration.number,
    server_uuid: migration.serverId,
    status: migration.status,
    ...hostFields(migration, addresses, request),
    memory_total_bytes: known(progress.memoryTotalBytes),
    memory_processed_bytes: known(progress.memoryProcessedBytes),
    memory_remaining_bytes: known(progress.memoryRemainingBytes),
    disk_total_bytes: known(progress.diskTotalBytes),
    disk_processed_bytes: known(progress.diskProcessedBytes),
    disk_remaining_bytes: known(progress.diskRemainingBytes),
    created_at: isoMicroseconds(migration.createdAt),
    updated_at: isoMicroseconds(migration.updatedAt),
    ...identityFields(migration, request.version),
  }
}

/** Nova's fields are positive or null. */
const known = (bytes: number | undefined): number | null => (bytes !== undefined && bytes > 0 ? bytes : null)

const identityFields = (migration: Migration, version: number) => ({
  ...(version >= 59 && { uuid: migration.id }),
  ...(version >= 80 && { project_id: migration.projectId, user_id: migration.userId }),
})

/** The addresses that the views of these migrations need. */
export const addressesOf = (db: Db, migrations: readonly Migration[]): Promise<Addresses> =>
  hostAddresses(db, [...new Set(migrations.flatMap(({ destHost }) => destHost ?? []))])

/** The numbers of flavors that the views of these migrations need. */
export const flavorsOf = (db: Db, migrations: readonly Migration[]): Promise<Map<string, number>> =>
  flavorNumbersOf(db, [
    ...new Set(migrations.flatMap(({ oldFlavorId, newFlavorId }) => [oldFlavorId, newFlavorId])),
  ])

import type { Selectable } from 'kysely'
import type { DomainRecord, ProjectRecord } from '../model/identity.ts'
import type { DomainsTable, ProjectsTable } from './schema.ts'
import type { Db } from './store.ts'

export interface NamedFilter {
  name?: string
  domainId?: string
  enabled?: boolean
  ids?: string[]
}

export async function getProject(db: Db, id: string): Promise<ProjectRecord | undefined> {
  const row = await db.selectFrom('projects').selectAll().where('id', '=', id).executeTakeFirst()
  return row && projectOf(row)
}

export async function listProjects(db: Db, filter: NamedFilter = {}): Promise<ProjectRecord[]> {
  let query = db.selectFrom('projects').selectAll().orderBy('name').orderBy('id')
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.domainId !== undefined) query = query.where('domain_id', '=', filter.domainId)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', filter.enabled ? 1 : 0)
  if (filter.ids !== undefined) query = query.where('id', 'in', filter.ids.length > 0 ? filter.ids : [''])
  return (await query.execute()).map(projectOf)
}

/** Writes the project, new or changed. Names are unique within a domain: callers check first, in the transaction. */
export async function saveProject(db: Db, project: ProjectRecord): Promise<void> {
  const values = {
    name: project.name,
    domain_id: project.domainId,
    enabled: project.enabled ? 1 : 0,
    description: project.description,
    extra_json: JSON.stringify(project.extra),
  } as const
  await db
    .insertInto('projects')
    .values({ id: project.id, ...values })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
    .execute()
}

export async function deleteProject(db: Db, id: string): Promise<void> {
  await db.deleteFrom('projects').where('id', '=', id).execute()
}

export async function getDomain(db: Db, id: string): Promise<DomainRecord | undefined> {
  const row = await db.selectFrom('domains').selectAll().where('id', '=', id).executeTakeFirst()
  return row && domainOf(row)
}

export async function listDomains(
  db: Db,
  filter: Omit<NamedFilter, 'domainId'> = {},
): Promise<DomainRecord[]> {
  let query = db.selectFrom('domains').selectAll().orderBy('name')
  if (filter.name !== undefined) query = query.where('name', '=', filter.name)
  if (filter.enabled !== undefined) query = query.where('enabled', '=', filter.enabled ? 1 : 0)
  if (filter.ids !== undefined) query = query.where('id', 'in', filter.ids.length > 0 ? filter.ids : [''])
  return (await query.execute()).map(domainOf)
}

/** Writes the domain, new or changed. */
export async function saveDomain(db: Db, domain: DomainRecord): Promise<void> {
  const values = {
    name: domain.name,
    enabled: domain.enabled ? 1 : 0,
    description: domain.description,
  } as const
  await db
    .insertInto('domains')
    .values({ id: domain.id, ...values })
    .onConflict((conflict) => conflict.column('id').doUpdateSet(values))
    .execute()
}

export async function deleteDomain(db: Db, id: string): Promise<void> {
  await db.deleteFrom('domains').where('id', '=', id).execute()
}

const projectOf = (row: Selectable<ProjectsTable>): ProjectRecord => ({
  id: row.id,
  name: row.name,
  domainId: row.domain_id,
  enabled: row.enabled === 1,
  description: row.description,
  extra: JSON.parse(row.extra_json) as Record<string, unknown>,
})

const domainOf = (row: Selectable<DomainsTable>): DomainRecord => ({
  id: row.id,
  name: row.name,
  enabled: row.enabled === 1,
  description: row.description,
})

import { newHexId, newSecret } from '../base/ids.ts'
import { builtInRoles, defaultDomainId, type RoleTarget } from '../model/identity.ts'
import { hashPassword } from '../api/identity/passwords.ts'
import { getDomain, saveDomain, saveProject } from '../store/identity-projects.ts'
import { assignRole, saveRole } from '../store/identity-roles.ts'
import { insertUser } from '../store/identity-users.ts'
import type { Db, Store } from '../store/store.ts'
import { readCloudsFile, withAuthUrl, writeCloudsFile, type CloudSettings } from './clouds-file.ts'

export interface BootstrapOptions {
  store: Store
  cloudsFile: string
  /** Root of the identity service as clients reach it, such as `http://127.0.0.1:8774/identity`. */
  identityUrl: string
  region: string
}

export interface Bootstrapped {
  created: boolean
  /** The administrator's, at the first start only: later it is in the clouds file, if nowhere else. */
  password?: string
}

/**
 * Makes what a first login needs, at the first start: domain Default, the built-in roles, and the user `admin` with a
 * random password and the role admin on the project `admin` and on the system. Writes the clouds file for the
 * `openstack` command. At later starts it only keeps the URL in that file up to date.
 */
export async function bootstrap({
  store,
  cloudsFile,
  identityUrl,
  region,
}: BootstrapOptions): Promise<Bootstrapped> {
  const authUrl = `${identityUrl.replace(/\/+$/, '')}/v3`
  if (await getDomain(store.db, defaultDomainId)) {
    await keepAuthUrl(cloudsFile, authUrl)
    return { created: false }
  }
  const password = newSecret(24)
  const passwordHash = await hashPassword(password)
  const cloud: CloudSettings = {
    authUrl,
    region,
    username: 'admin',
    password,
    project: 'admin',
    domain: 'Default',
  }
  // The file comes first: a start that dies in between is a first start again, and not one whose password is lost.
  await writeCloudsFile(cloudsFile, cloud)
  await store.transaction((trx) => fillIdentity(trx, cloud, passwordHash))
  return { created: true, password }
}

async function fillIdentity(db: Db, cloud: CloudSettings, passwordHash: string): Promise<void> {
  await saveDomain(db, {
    id: defaultDomainId,
    name: cloud.domain,
    enabled: true,
    description: 'The default domain',
  })
  const roleIds = new Map(builtInRoles.map((name) => [name, newHexId()]))
  for (const [name, id] of roleIds) await saveRole(db, { id, name, description: null })
  const project = {
    id: newHexId(),
    name: cloud.project,
    domainId: defaultDomainId,
    enabled: true,
    description: 'The project of the administrator',
    extra: {},
  }
  await saveProject(db, project)
  const user = {
    id: newHexId(),
    name: cloud.username,
    domainId: defaultDomainId,
    enabled: true,
    email: null,
    description: null,
    defaultProjectId: null,
    extra: {},
  }
  await insertUser(db, user, passwordHash)
  const targets: RoleTarget[] = [
    { type: 'project', id: project.id },
    { type: 'system', id: 'system' },
  ]
  for (const target of targets)
    await assignRole(db, { userId: user.id, target, roleId: roleIds.get('admin')! })
}

async function keepAuthUrl(cloudsFile: string, authUrl: string): Promise<void> {
  const before = await readCloudsFile(cloudsFile)
  if (before === undefined) return
  const after = withAuthUrl(before, authUrl)
  if (after !== before) await writeCloudsFile(cloudsFile, after)
}

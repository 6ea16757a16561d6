/** Records of identity, as Keystone has them. Ids are thirty-two hexadecimal digits, or `default`. */
export interface DomainRecord {
  id: string
  name: string
  enabled: boolean
  description: string
}

export interface ProjectRecord {
  id: string
  name: string
  domainId: string
  enabled: boolean
  description: string
  /** Attributes of the client's own. */
  extra: Record<string, unknown>
}

/** A user, without the password's hash: that never leaves the store but to be compared with. */
export interface UserRecord {
  id: string
  name: string
  domainId: string
  enabled: boolean
  email: string | null
  description: string | null
  defaultProjectId: string | null
  extra: Record<string, unknown>
}

export interface RoleRecord {
  id: string
  name: string
  description: string | null
}

/** What a role is held on. `id` is `system` for the system. */
export interface RoleTarget {
  type: 'project' | 'domain' | 'system'
  id: string
}

export interface RoleAssignment {
  userId: string
  target: RoleTarget
  roleId: string
}

/** A token as it is kept: by its hash. */
export interface TokenRecord {
  /** SHA-256 of the token, hexadecimal. */
  hash: string
  auditId: string
  userId: string
  /** null: unscoped, or for a domain or the system. */
  projectId: string | null
  domainId: string | null
  system: boolean
  /** How it was got: `password`, `token`. */
  methods: string[]
  issuedAt: number
  expiresAt: number
}

/** The domain that everything is in unless said otherwise. */
export const defaultDomainId = 'default'

/** Which roles a role brings with it, by name; Keystone's defaults. */
export const impliedRoles: ReadonlyMap<string, readonly string[]> = new Map([
  ['admin', ['manager']],
  ['manager', ['member']],
  ['member', ['reader']],
])

/** The names with all that they imply, each once. */
export function withImpliedRoles(names: Iterable<string>): string[] {
  const all = new Set<string>(names)
  // A Set's iterator also visits what is added on the way.
  for (const name of all) for (const implied of impliedRoles.get(name) ?? []) all.add(implied)
  return [...all]
}

/** The roles that policies know by name: made at the first start, and there to stay. */
export const builtInRoles: readonly string[] = ['admin', 'manager', 'member', 'reader', 'service']

import type { Generated } from 'kysely'

/**
 * The tables, one interface each. Times are milliseconds since 1970, booleans 0 or 1, and columns named
 * `..._json` hold JSON text; the files of the table families turn rows into records of `model/` and back.
 * The same types serve SQLite and PostgreSQL.
 */
export interface Schema {
  domains: DomainsTable
  projects: ProjectsTable
  users: UsersTable
  roles: RolesTable
  role_assignments: RoleAssignmentsTable
  tokens: TokensTable
  images: ImagesTable
  flavors: FlavorsTable
  flavor_numbers: FlavorNumbersTable
  flavor_access: FlavorAccessTable
  key_pairs: KeyPairsTable
  servers: ServersTable
  server_tags: ServerTagsTable
  server_faults: ServerFaultsTable
  actions: ActionsTable
  action_steps: ActionStepsTable
  hosts: HostsTable
  services: ServicesTable
  allocations: AllocationsTable
  placements: PlacementsTable
  quotas: QuotasTable
  quota_usage: QuotaUsageTable
  quota_classes: QuotaClassesTable
  aggregates: AggregatesTable
  aggregate_hosts: AggregateHostsTable
  server_groups: ServerGroupsTable
  server_group_members: ServerGroupMembersTable
  migrations: MigrationsTable
  agents: AgentsTable
  agent_keys: AgentKeysTable
  agent_invites: AgentInvitesTable
}

type Flag = 0 | 1

export interface DomainsTable {
  id: string
  name: string
  enabled: Flag
  description: string
}

export interface ProjectsTable {
  id: string
  name: string
  domain_id: string
  enabled: Flag
  description: string
  /** Other attributes that a client set. */
  extra_json: string
}

export interface UsersTable {
  id: string
  name: string
  domain_id: string
  enabled: Flag
  email: string | null
  description: string | null
  default_project_id: string | null
  /** scrypt, in a form that names its parameters. */
  password_hash: string
  extra_json: string
}

export interface RolesTable {
  id: string
  name: string
  description: string | null
}

/** `target` is a project's id, a domain's id, or `system`. `actor` is a user's id. */
export interface RoleAssignmentsTable {
  actor_id: string
  target_type: 'project' | 'domain' | 'system'
  target_id: string
  role_id: string
}

export interface TokensTable {
  /** SHA-256 of the token, hexadecimal: the token itself is nowhere kept. */
  hash: string
  audit_id: string
  user_id: string
  /** null: unscoped. */
  project_id: string | null
  domain_id: string | null
  system: Flag
  methods_json: string
  issued_at: number
  expires_at: number
}

export interface ImagesTable {
  id: string
  name: string | null
  status: 'queued' | 'saving' | 'active' | 'killed' | 'deleted' | 'deactivated'
  owner: string | null
  visibility: 'public' | 'private' | 'shared' | 'community'
  protected: Flag
  hidden: Flag
  container_format: string | null
  disk_format: string | null
  min_disk: number
  min_ram: number
  size: number | null
  virtual_size: number | null
  checksum: string | null
  os_hash_value: string | null
  properties_json: string
  tags_json: string
  created_at: number
  updated_at: number
}

export interface FlavorsTable {
  /** The id people give it. */
  id: string
  name: string
  vcpus: number
  memory_mib: number
  root_gib: number
  ephemeral_gib: number
  swap_mib: number
  rxtx_factor: number
  is_public: Flag
  disabled: Flag
  description: string | null
  extra_specs_json: string
  created_at: number
}

/** What a flavor is called where Nova has the number of its row; it stays when the flavor goes. */
export interface FlavorNumbersTable {
  number: Generated<number>
  flavor_id: string
}

export interface FlavorAccessTable {
  flavor_id: string
  project_id: string
}

export interface KeyPairsTable {
  number: Generated<number>
  user_id: string
  name: string
  type: 'ssh' | 'x509'
  fingerprint: string
  public_key: string
  created_at: number
}

export interface ServersTable {
  /** Gives the domain its name; also the tie-breaker of lists. */
  number: Generated<number>
  id: string
  project_id: string
  user_id: string
  name: string
  description: string | null
  hostname: string
  vm_state: string
  task_state: string | null
  power_state: number
  /** Name of the host; null until placed. */
  host: string | null
  /** What was asked for at create, null: any. */
  availability_zone: string | null
  flavor_id: string
  /** ServerFlavor as it was at create. */
  flavor_json: string
  /** Of the flavor: what counts against quotas. */
  vcpus: number
  memory_mib: number
  /** Of the flavor that a resize or its revert is under way to; null otherwise. The larger of both counts. */
  next_vcpus: number | null
  next_memory_mib: number | null
  image_id: string | null
  /** ServerImage as it was at create. */
  image_json: string
  key_name: string | null
  /** {name, type, public_key} as it was at create, or `null`. */
  key_json: string
  user_data: string | null
  config_drive: Flag
  metadata_json: string
  scheduler_hints_json: string
  disk_config: 'AUTO' | 'MANUAL'
  access_ipv4: string | null
  access_ipv6: string | null
  reservation_id: string
  launch_index: number
  root_device_name: string | null
  machine_type: string | null
  locked_by: 'owner' | 'admin' | null
  locked_reason: string | null
  progress: number
  created_at: number
  updated_at: number
  launched_at: number | null
  terminated_at: number | null
  /** ServerFlavor before a resize that is neither confirmed nor reverted; null otherwise. */
  old_flavor_json: string | null
  /** {migrationId, sourceHost, destHost, oldVmState} of such a resize. */
  resize_json: string | null
  /** All moves stay in this zone; null: free. */
  pinned_availability_zone: string | null
  /** Set when the server is deleted; such rows stay for readers of `deleted=true`. */
  deleted_at: number | null
}

export interface ServerTagsTable {
  server_id: string
  tag: string
}

export interface ServerFaultsTable {
  number: Generated<number>
  server_id: string
  code: number
  message: string
  details: string
  created_at: number
}

/** A durable action; Nova's instance action. */
export interface ActionsTable {
  number: Generated<number>
  id: string
  server_id: string
  request_id: string
  project_id: string
  user_id: string
  /** Nova's name: create, delete, start, stop, reboot, pause, ... */
  name: string
  /** `recorded`: done at once in the API (lock, resetState); nothing for the conductor. */
  state: 'queued' | 'running' | 'unwinding' | 'done' | 'failed' | 'recorded'
  /** What the request asked, beyond the server. */
  params_json: string
  /** What finished steps found out, for later ones: {host, attempt, ...}. */
  progress_json: string
  /** Index into the action's list of steps. */
  step: number
  lease_owner: string | null
  lease_until: number
  deadline: number
  /** `Error` if a step failed. */
  message: string | null
  started_at: number
  updated_at: number
  finished_at: number | null
}

/** One run of a step; Nova's instance action event. */
export interface ActionStepsTable {
  number: Generated<number>
  action_id: string
  /** Nova's event name, such as `compute__do_build_and_run_instance`. */
  event: string
  host: string | null
  result: 'Success' | 'Error' | null
  details: string | null
  traceback: string | null
  started_at: number
  finished_at: number | null
}

/** A host with its hypervisor and its nova-compute service. */
export interface HostsTable {
  /** Integer id of old microversions. */
  number: Generated<number>
  id: string
  name: string
  /** HostDescription. */
  description_json: string
  /** Capacity with ratio and reserve applied; a claim compares with these. */
  capacity_vcpus: number
  capacity_memory_mib: number
  capacity_disk_gib: number
  used_vcpus: number
  used_memory_mib: number
  used_disk_gib: number
  /** Being emptied or worked on: nothing is placed there, and drains may run. */
  maintenance: Generated<Flag>
  created_at: number
}

/** nova-compute on each host, and the controller's own parts. */
export interface ServicesTable {
  number: Generated<number>
  id: string
  binary: 'nova-compute' | 'nova-conductor' | 'nova-scheduler'
  host: string
  disabled: Flag
  disabled_reason: string | null
  forced_down: Flag
  last_seen_at: number
  created_at: number
  updated_at: number
}

export interface AllocationsTable {
  server_id: string
  host: string
  vcpus: number
  memory_mib: number
  disk_gib: number
  created_at: number
}

/** Why a server was placed where it is, or nowhere. */
export interface PlacementsTable {
  number: Generated<number>
  request_id: string
  server_id: string
  chosen_host: string | null
  reasons_json: string
  created_at: number
}

/** `user_id` is '' for the quota of a whole project. */
export interface QuotasTable {
  project_id: string
  user_id: string
  resource: string
  hard_limit: number
}

/** What a user's servers in a project take. Triggers on `servers` write it, nobody else. */
export interface QuotaUsageTable {
  project_id: string
  user_id: string
  instances: number
  cores: number
  ram: number
}

export interface QuotaClassesTable {
  class_name: string
  resource: string
  hard_limit: number
}

export interface AggregatesTable {
  /** The id of the API. */
  number: Generated<number>
  /** The uuid of microversion 2.41. */
  id: string
  name: string
  metadata_json: string
  created_at: number
  updated_at: number | null
}

export interface AggregateHostsTable {
  aggregate_number: number
  host: string
}

export interface ServerGroupsTable {
  id: string
  project_id: string
  user_id: string
  name: string
  policy: 'affinity' | 'anti-affinity' | 'soft-affinity' | 'soft-anti-affinity'
  /** `{max_server_per_host}` or `{}`. */
  rules_json: string
  created_at: number
}

export interface ServerGroupMembersTable {
  group_id: string
  server_id: string
}

/** A server's way from one host to another, or to another size; Nova's migration record. */
export interface MigrationsTable {
  /** The id of the API. */
  number: Generated<number>
  id: string
  server_id: string
  request_id: string
  project_id: string
  user_id: string
  type: 'migration' | 'resize' | 'live-migration' | 'evacuation'
  /** Nova's words: queued, preparing, running, completed, finished, confirmed, reverted, error, ... */
  status: string
  source_host: string | null
  dest_host: string | null
  old_flavor_id: string
  new_flavor_id: string
  /** Memory and disk bytes: total, processed, remaining; what the forecast said. */
  progress_json: string
  created_at: number
  updated_at: number
}

/** An agent that has joined: who it may speak as. */
export interface AgentsTable {
  host: string
  /** Its NATS user nkey. */
  public_key: string
  joined_at: number
  revoked_at: number | null
}

/** Every key that an agent ever joined with. */
export interface AgentKeysTable {
  public_key: string
  host: string
  /** Since when nats-server is to refuse it; null: it counts. */
  revoked_at: number | null
}

/** One-time tokens of `lodge host invite`. */
export interface AgentInvitesTable {
  /** SHA-256 of the token. */
  token_hash: string
  /** The only name that may join with it; null: any. */
  host: string | null
  created_at: number
  expires_at: number
  used_at: number | null
}

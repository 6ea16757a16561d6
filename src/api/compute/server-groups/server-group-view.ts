import type { ServerGroup } from '../../../model/server-group.ts'

/** A group at the asked microversion: owners since 2.13, one `policy` with `rules` since 2.64. */
export const serverGroupView = (group: ServerGroup, version: number) => ({
  id: group.id,
  name: group.name,
  members: group.members,
  ...(version >= 13 && { project_id: group.projectId, user_id: group.userId }),
  ...(version < 64
    ? { policies: [group.policy], metadata: {} }
    : {
        policy: group.policy,
        rules: group.maxServersPerHost === null ? {} : { max_server_per_host: group.maxServersPerHost },
      }),
})

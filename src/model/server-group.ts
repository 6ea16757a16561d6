export const groupPolicies = ['affinity', 'anti-affinity', 'soft-affinity', 'soft-anti-affinity'] as const

/** `affinity`: on one host; `anti-affinity`: apart; the soft ones only prefer that. */
export type GroupPolicy = (typeof groupPolicies)[number]

/** Servers whose places depend on each other. */
export interface ServerGroup {
  id: string
  projectId: string
  userId: string
  name: string
  policy: GroupPolicy
  /** How many of them a host may have, of `anti-affinity` only; null: one. */
  maxServersPerHost: number | null
  /** Ids of servers that are not deleted. */
  members: string[]
  createdAt: number
}

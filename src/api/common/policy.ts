import { LodgeError } from '../../base/errors.ts'
import type { Caller, Route } from './route.ts'
import type { ServiceName } from './service.ts'

/**
 * Lets the caller pass by the row's default role, or refuses. Compute's, image's and network's policies all speak of
 * a project, so a token without one passes none of them but `any`.
 * @throws LodgeError forbidden
 */
export function enforcePolicy(
  route: Pick<Route, 'policy' | 'role'>,
  caller: Caller,
  service: ServiceName,
): void {
  if (route.role === 'none' || route.role === 'any') return
  if ((service === 'identity' || caller.projectId !== null) && hasRole(caller, route.role)) return
  throw new LodgeError('forbidden', refusal(route.policy, service))
}

/** Whether the caller passes a further policy of the request, such as the one for forced hosts. */
export function hasRole(caller: Caller, role: Route['role']): boolean {
  return role === 'none' || role === 'any' || caller.isAdmin || caller.roles.includes(role)
}

/** Refuses in the words of a failed policy. */
export function denied(policy: string, service: ServiceName = 'compute'): LodgeError {
  return new LodgeError('forbidden', refusal(policy, service))
}

function refusal(policy: string, service: ServiceName): string {
  if (service === 'identity') return `You are not authorized to perform the requested action: ${policy}.`
  if (service === 'image') return `You are not authorized to complete ${policy} action.`
  const name =
    service === 'compute' && !/^(os_compute_api|compute):/.test(policy) ? `os_compute_api:${policy}` : policy
  return `Policy doesn't allow ${name} to be performed.`
}

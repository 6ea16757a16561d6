import { LodgeError } from '../../base/errors.ts'
import type { DomainSummary } from '../../hypervisor/hypervisor.ts'
import type { ServerSpec } from '../../model/server-spec.ts'
import type { VerbContext } from './verb.ts'

/**
 * Makes or replaces the server's definition.
 * @throws LodgeError unavailable when a domain of someone else has the server's name: on another host none may have
 * it, and here an operator can take it away; what the hypervisor throws otherwise
 */
export async function defineDomain(context: VerbContext, spec: ServerSpec, xml: string): Promise<void> {
  try {
    await context.hypervisor.define(xml)
  } catch (error) {
    const other = await namesake(context, spec)
    if (!other) throw error
    throw new LodgeError(
      'unavailable',
      `Host ${context.host} has another domain of the name ${other.name} (UUID ${other.uuid}), which is not this server's; ` +
        'an administrator of the host must rename or remove it.',
      { cause: error },
    )
  }
}

async function namesake(
  { hypervisor }: VerbContext,
  { id, domainName }: ServerSpec,
): Promise<DomainSummary | undefined> {
  try {
    return (await hypervisor.listDomains()).find(({ name, uuid }) => name === domainName && uuid !== id)
  } catch {
    // The failure of the definition tells more.
    return undefined
  }
}

import { LodgeError } from '../base/errors.ts'
import { domainNameOf, type ServerSpec } from '../model/server-spec.ts'
import type { ActionScene } from './step.ts'

/** All that an agent must know of the server. @throws LodgeError conflict for a server without an image */
export async function specOf(scene: ActionScene): Promise<ServerSpec> {
  const { server, context } = scene
  if (!server.image) throw new LodgeError('conflict', `Server ${server.id} has no image to boot from.`)
  const { projectName, userName } = await context.names.of(server.projectId, server.userId)
  return {
    id: server.id,
    domainName: domainNameOf(server.number),
    name: server.name,
    hostname: server.hostname,
    projectId: server.projectId,
    projectName,
    userId: server.userId,
    userName,
    createdAt: server.createdAt,
    flavor: server.flavor,
    image: server.image,
    machineType: server.machineType,
  }
}

/** The host of a server that must have one. @throws LodgeError conflict when it has none */
export function hostOf(scene: ActionScene): string {
  const { server } = scene
  if (server.host === null) throw new LodgeError('conflict', `Server ${server.id} has no host.`)
  return server.host
}

import type { Server } from './server.ts'

/** How a server leaves a host that is emptied: while it runs, shut down, or not by itself. */
export function wayOut({ vmState }: Pick<Server, 'vmState'>): 'live-migration' | 'migrate' | null {
  if (vmState === 'active' || vmState === 'paused') return 'live-migration'
  return vmState === 'stopped' ? 'migrate' : null
}

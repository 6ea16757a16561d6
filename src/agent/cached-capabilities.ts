import type { Hypervisor, HypervisorCapabilities } from '../hypervisor/hypervisor.ts'

export interface CachedCapabilities {
  get(): Promise<HypervisorCapabilities>
  forget(): void
}

/** The hypervisor's capabilities, asked for once: they change only with libvirtd. A failure is not kept. */
export function cachedCapabilities(hypervisor: Hypervisor): CachedCapabilities {
  let known: Promise<HypervisorCapabilities> | undefined
  return {
    get() {
      if (known) return known
      const asked = hypervisor.capabilities()
      known = asked
      asked.catch(() => {
        if (known === asked) known = undefined
      })
      return asked
    },
    forget() {
      known = undefined
    },
  }
}

import type { Clock } from '../../base/clock.ts'
import type { Libvirt } from '../../libvirt/libvirt.ts'

/** How long a guest may take to stand still, ms. Healthy ones need a hundredth of it. */
const haltMs = 500

/**
 * Cuts the power of a running domain. QEMU obeys SIGTERM at once when its guest stands still, and only after a second
 * or two when an emulated one computes; so it is halted first, unless `graceful`. A QEMU that hangs does not halt, and
 * libvirt kills it about ten seconds later.
 * @throws LodgeError notFound, or conflict when it does not run
 */
export async function destroyDomain(
  libvirt: Libvirt,
  clock: Clock,
  uuid: string,
  { graceful }: { graceful: boolean },
): Promise<void> {
  if (!graceful) await haltBriefly(libvirt, clock, uuid)
  await libvirt.call('domainDestroyFlags', { uuid })
}

async function haltBriefly(libvirt: Libvirt, clock: Clock, uuid: string): Promise<void> {
  const over = new AbortController()
  const halted = libvirt.call('domainSuspend', { uuid })
  await Promise.race([halted, clock.sleep(haltMs, over.signal)]).catch(() => undefined)
  over.abort()
}

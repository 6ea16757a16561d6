import type { Libvirt } from '../../libvirt/libvirt.ts'

/**
 * The host's memory as its kernel counts it. virNodeGetInfo adds up the NUMA cells instead, which leaves out memory
 * that came later, such as a virtual machine's.
 */
export async function readHostMemory(libvirt: Libvirt): Promise<{ totalMiB: number; usedMiB: number }> {
  const memory = await libvirt.call('nodeGetMemoryStats', { cell: -1 })
  const kib = (name: string): number => memory.find(({ field }) => field === name)?.value ?? 0
  const used = kib('total') - kib('free') - kib('buffers') - kib('cached')
  return { totalMiB: Math.floor(kib('total') / 1024), usedMiB: Math.round(used / 1024) }
}

import type { HostDescription, NumaCell } from '../../model/host.ts'
import type { ServerFlavor, ServerImage } from '../../model/server-spec.ts'
import type { Filter } from '../filter.ts'

/**
 * Whether the host's NUMA cells are large enough for what flavor or image asks: `hw:numa_nodes` guest cells, each on
 * a host cell of its own, and for dedicated CPUs as many host CPUs as it has. It looks at what the cells have, not at
 * what other guests take of them.
 */
export const numaTopologyFilter: Filter = {
  name: 'NUMATopologyFilter',
  prepare: ({ flavor, image }, { facts }) => {
    const wanted = wantedCells(flavor, image)
    if (!wanted) return null
    return (index) => {
      const { description } = facts[index]!
      return description !== undefined && fits(description, wanted)
    }
  },
}

interface Wanted {
  cells: { vcpus: number; memoryMiB: number }[]
  dedicated: boolean
}

function wantedCells(flavor: ServerFlavor, image: ServerImage | null): Wanted | null {
  const ask = (name: string): string | undefined =>
    flavor.extraSpecs[`hw:${name}`] ?? image?.properties[`hw_${name}`]
  const dedicated = ask('cpu_policy') === 'dedicated'
  const nodes = ask('numa_nodes')
  if (nodes === undefined && !dedicated && ask('mem_page_size') === undefined) return null
  const count = Math.min(Math.max(Number(nodes ?? 1) || 1, 1), flavor.vcpus)
  const cells = Array.from({ length: count }, (_, i) => ({
    vcpus: Number(ask(`numa_cpus.${i}`)?.split(',').length ?? Math.ceil(flavor.vcpus / count)),
    memoryMiB: Number(ask(`numa_mem.${i}`) ?? Math.ceil(flavor.memoryMiB / count)),
  }))
  return { cells, dedicated }
}

/** The largest guest cell gets the largest host cell, and so on. */
function fits({ numaCells, vcpus, memoryMiB }: HostDescription, { cells, dedicated }: Wanted): boolean {
  const whole: NumaCell = {
    id: 0,
    memoryMiB: memoryMiB.total,
    cpus: Array.from({ length: vcpus.total }, (_, i) => i),
  }
  const own = (numaCells.length > 0 ? numaCells : [whole]).toSorted((a, b) => b.memoryMiB - a.memoryMiB)
  const wanted = cells.toSorted((a, b) => b.memoryMiB - a.memoryMiB)
  return wanted.every(({ vcpus: cpus, memoryMiB: memory }, i) => {
    const cell = own[i]
    return cell !== undefined && cell.memoryMiB >= memory && (!dedicated || cell.cpus.length >= cpus)
  })
}

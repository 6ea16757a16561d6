import { BlockList, isIP } from 'node:net'
import { passNone, type Filter } from '../filter.ts'

/** The hint `build_near_host_ip` with `cidr` (`/24` unless said): hosts in the same network as that address. */
export const simpleCidrAffinityFilter: Filter = {
  name: 'SimpleCIDRAffinityFilter',
  prepare: ({ hints }, { facts }) => {
    const address = hints['build_near_host_ip']
    if (typeof address !== 'string') return null
    const near = networkOf(address, hints['cidr'] ?? '/24')
    if (!near) return passNone
    return (index) => {
      const ip = facts[index]!.description?.hostIp ?? ''
      const family = familyOf(ip)
      return family !== null && near.check(ip, family)
    }
  },
}

/** null for what is no network. */
function networkOf(address: string, cidr: unknown): BlockList | null {
  const [, digits] = /^\/?(\d{1,3})$/.exec(String(cidr)) ?? []
  const family = familyOf(address)
  if (digits === undefined || family === null || Number(digits) > (family === 'ipv4' ? 32 : 128)) return null
  const network = new BlockList()
  network.addSubnet(address, Number(digits), family)
  return network
}

function familyOf(address: string): 'ipv4' | 'ipv6' | null {
  const version = isIP(address)
  if (version === 0) return null
  return version === 4 ? 'ipv4' : 'ipv6'
}

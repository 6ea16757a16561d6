import type { Weigher } from './weigher.ts'
import { buildFailureWeigher } from './weighers/build-failure.ts'
import { cpuWeigher } from './weighers/cpu.ts'
import { crossCellWeigher } from './weighers/cross-cell.ts'
import { diskWeigher } from './weighers/disk.ts'
import { hypervisorVersionWeigher } from './weighers/hypervisor-version.ts'
import { imagePropertiesWeigher } from './weighers/image-properties.ts'
import { ioOpsWeigher } from './weighers/io-ops.ts'
import { metricsWeigher } from './weighers/metrics.ts'
import { numInstancesWeigher } from './weighers/num-instances.ts'
import { pciWeigher } from './weighers/pci.ts'
import { ramWeigher } from './weighers/ram.ts'
import { softAffinityWeigher, softAntiAffinityWeigher } from './weighers/soft-affinity.ts'

/** All weighers; one whose multiplier is 0 is not asked. */
export const weighers: readonly Weigher[] = [
  ramWeigher,
  cpuWeigher,
  diskWeigher,
  ioOpsWeigher,
  pciWeigher,
  metricsWeigher,
  softAffinityWeigher,
  softAntiAffinityWeigher,
  buildFailureWeigher,
  crossCellWeigher,
  hypervisorVersionWeigher,
  numInstancesWeigher,
  imagePropertiesWeigher,
]

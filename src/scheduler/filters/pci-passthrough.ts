import { passNone, type Filter } from '../filter.ts'

/** Hosts do not report PCI devices that could be given away, so a flavor that asks for one fits nowhere. */
export const pciPassthroughFilter: Filter = {
  name: 'PciPassthroughFilter',
  prepare: ({ flavor }) => (flavor.extraSpecs['pci_passthrough:alias'] === undefined ? null : passNone),
}

import type { Weigher } from '../weigher.ts'

/** Keeps hosts with PCI devices to give for those who ask; hosts report none, so they are alike. */
export const pciWeigher: Weigher = {
  name: 'pci',
  setting: 'pciWeight',
  aggregateKey: 'pci_weight_multiplier',
  values: () => null,
}

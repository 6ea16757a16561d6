import { setTimeout as delay } from 'node:timers/promises'
import { lodgeMetadataNamespace } from '../../src/hypervisor/lodge-metadata.ts'
import { createSimulatedHypervisor } from '../../src/hypervisor/simulated/simulated-hypervisor.ts'
import { testHypervisor } from '../support/hypervisor-suite.ts'

testHypervisor('simulated', async () => {
  const hypervisor = createSimulatedHypervisor({ guests: { shutdownMs: null, rebootMs: null } })
  return {
    hypervisor,
    domainXml: ({ uuid, name, memoryMiB, lodge }) => `
      <domain type="qemu">
        <name>${name}</name>
        <uuid>${uuid}</uuid>
        ${lodge ? `<metadata><lodge:server xmlns:lodge="${lodgeMetadataNamespace}"/></metadata>` : ''}
        <memory unit="KiB">${memoryMiB * 1024}</memory>
        <vcpu>1</vcpu>
        <devices><disk type="file" device="disk"><target dev="vda" bus="virtio"/></disk></devices>
      </domain>`,
    connection: {
      lose: async () => hypervisor.disconnect(),
      mend: async () => hypervisor.reconnect(),
    },
    async untilBooted(uuid) {
      await delay(1)
      hypervisor.guest(uuid).behave({ shutdownMs: 20, rebootMs: 20 })
    },
    close: () => hypervisor.close(),
  }
})

import { createInProcessBus } from '../../../src/bus/in-process.ts'
import { testBus } from '../../support/bus-suite.ts'

testBus('in one process', async () => {
  const bus = createInProcessBus()
  return { controller: bus, agents: bus, close: async () => {} }
})

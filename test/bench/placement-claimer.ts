/**
 * One of several controllers that claim at once, as a process of its own: `placement-claimer.ts URL COUNT`. Says that
 * it is ready over the channel of `fork`, begins when told to, and tells what it did.
 */
import { LodgeError } from '../../src/base/errors.ts'
import { silentLogger } from '../../src/base/logging.ts'
import { openPostgresStore } from '../../src/store/open-postgres.ts'
import { createPlacer } from './placement-bed.ts'

export interface Claimed {
  placed: number
  refused: number
  processorMs: number
}

/** Placements that one controller has under way, and connections. */
const atOnce = 8

const [url = '', count = '0'] = process.argv.slice(2)
if (!process.send)
  throw new LodgeError('badRequest', 'placement-claimer runs as a child of the benchmark only')
const store = await openPostgresStore({ url, connections: atOnce, log: silentLogger() })
process.once('disconnect', () => process.exit(1))
const { place, prepare } = createPlacer(store)
await prepare()
process.send('ready')
await new Promise((resolve) => process.once('message', resolve))

const claimed: Claimed = { placed: 0, refused: 0, processorMs: 0 }
const before = process.cpuUsage()
let left = Number(count)
await Promise.all(
  Array.from({ length: atOnce }, async () => {
    while (left-- > 0) {
      if ((await place()) === null) claimed.refused += 1
      else claimed.placed += 1
    }
  }),
)
const { user, system } = process.cpuUsage(before)
claimed.processorMs = (user + system) / 1000
await store.close()
process.send(claimed, () => process.exit(0))

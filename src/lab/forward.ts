/**
 * A process in the lab's network that passes on what comes to a port of the machine: the one way in.
 *   node forward.ts ADDRESS PORT
 * The listening socket arrives from the parent, which opened it in the machine's network, where it stays.
 */
import { connect, Server } from 'node:net'

const [address = '', port = ''] = process.argv.slice(2)

process.once('message', (_message, server) => {
  if (!(server instanceof Server)) return
  server.on('connection', (near) => {
    const far = connect(Number(port), address)
    near.on('error', () => far.destroy())
    far.on('error', () => near.destroy())
    near.pipe(far).pipe(near)
  })
  process.send?.('ready', () => process.disconnect())
})

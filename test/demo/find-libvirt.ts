import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { LodgeError } from '../../src/base/errors.ts'
import { startPrivateLibvirtd } from '../support/private-libvirtd.ts'

export interface Libvirt {
  uri: string
  /** One of our own, which ends with its guests; otherwise it is left as it was found. */
  private: boolean
  stop(): Promise<void>
}

/**
 * The libvirt to use: the one at `wanted` if named, else the machine's own if it answers, else one started in
 * `directory` for the time of the demo (as root) or the user's session (as anyone else).
 * @throws LodgeError unavailable when the wanted one, or none at all, answers
 */
export async function findLibvirt(wanted: string | undefined, directory: string): Promise<Libvirt> {
  if (wanted !== undefined) {
    if (await answers(wanted)) return found(wanted)
    throw new LodgeError('unavailable', `No libvirt answers at ${wanted}.`)
  }
  if (await answers('qemu:///system')) return found('qemu:///system')
  if (process.getuid?.() === 0) {
    const { uri, stop } = await startPrivateLibvirtd({ dir: directory })
    return { uri, private: true, stop }
  }
  if (await answers('qemu:///session')) return found('qemu:///session')
  throw new LodgeError(
    'unavailable',
    'No libvirt answers: start libvirtd, join the group libvirt, or run this as root.',
  )
}

const found = (uri: string): Libvirt => ({ uri, private: false, stop: async () => {} })

async function answers(uri: string): Promise<boolean> {
  return virsh(uri, 'uri').then(
    () => true,
    () => false,
  )
}

/** Runs one virsh command; returns what it printed. */
export async function virsh(uri: string, ...words: string[]): Promise<string> {
  const { stdout } = await promisify(execFile)('virsh', ['-q', '-c', uri, ...words], { timeout: 60_000 })
  return stdout
}

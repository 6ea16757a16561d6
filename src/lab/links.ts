import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { LodgeError, messageOf } from '../base/errors.ts'
import { addressOf } from './prepare-host.ts'

/*
 * The cables of the lab: one veth pair for each host, `portN` in the switch's namespace and `eth0` in the host's.
 * `switchPid` and `hostPid` are processes in those namespaces.
 */

/** Puts the cable of a host that has just started. */
export async function plugIn(switchPid: number, hostPid: number, number: number): Promise<void> {
  await unplug(switchPid, number)
  const peer = ['peer', 'name', 'eth0', 'address', macOf(number), 'netns', String(hostPid)]
  await ip(switchPid, ['link', 'add', port(number), 'type', 'veth', ...peer])
  await ip(switchPid, ['link', 'set', port(number), 'master', 'switch', 'up'])
  await ip(hostPid, ['address', 'add', `${addressOf(number)}/24`, 'dev', 'eth0'])
  await ip(hostPid, ['link', 'set', 'eth0', 'up'])
}

/**
 * Takes away the cable of a host that has ended. By itself it goes late: for a while, the kernel even answers pings
 * for a namespace without processes.
 */
export async function unplug(switchPid: number, number: number): Promise<void> {
  await ip(switchPid, ['link', 'delete', port(number)]).catch(() => undefined) // gone already
}

export async function setLink(switchPid: number, number: number, state: 'up' | 'down'): Promise<void> {
  await ip(switchPid, ['link', 'set', port(number), state])
}

/** Whether the switch's end of the cable is down. */
export async function linkIsDown(switchPid: number, number: number): Promise<boolean> {
  const text = await ip(switchPid, ['-json', 'link', 'show', port(number)])
  const [link] = JSON.parse(text) as { flags: string[] }[]
  return !link?.flags.includes('UP')
}

/** The same in each of a host's lives: the other hosts remember it. */
const macOf = (number: number): string => `02:00:0a:4d:00:${number.toString(16).padStart(2, '0')}`

const port = (number: number): string => `port${number}`

async function ip(pid: number, words: string[]): Promise<string> {
  try {
    const all = ['--target', String(pid), '--net', '--', 'ip', ...words]
    return (await promisify(execFile)('nsenter', all, { timeout: 20_000 })).stdout
  } catch (error) {
    throw new LodgeError('unavailable', `The lab's network: ${messageOf(error)}`, { cause: error })
  }
}

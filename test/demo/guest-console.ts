import { stripVTControlCharacters } from 'node:util'
import { LodgeError, messageOf } from '../../src/base/errors.ts'
import type { OpenStackApi } from '../support/openstack-api.ts'
import { until } from '../support/until.ts'

/**
 * Follows the server's console through the API, handing each line to `print` as it comes, until the guest asks for a
 * login.
 * @throws LodgeError timeout when it does not within `milliseconds`; internal when the console is another machine's
 */
export async function followConsole(options: {
  api: OpenStackApi
  serverId: string
  milliseconds: number
  print: (line: string) => void
  signal: AbortSignal
}): Promise<void> {
  const { api, serverId, print, signal } = options
  let shown = 0
  const lines = async (): Promise<string[]> => {
    signal.throwIfAborted()
    const asked = { 'os-getConsoleOutput': {} }
    const { body } = await api.must('POST', `/compute/v2.1/servers/${serverId}/action`, asked)
    return readable(body.output)
  }
  const all = await until('the login of the guest', options.milliseconds, async () => {
    const now = await lines()
    const hasLogin = now.some((line) => line.startsWith('lodge-guest login:'))
    // The last line may still be growing.
    const whole = hasLogin ? now.length : now.length - 1
    for (const line of now.slice(shown, whole)) if (line !== '') print(line)
    shown = Math.max(shown, whole)
    return hasLogin && now
  }).catch((error: unknown) => {
    if (signal.aborted || !(error instanceof LodgeError)) throw error
    throw new LodgeError(error.kind, `${messageOf(error)}; it had said ${shown} lines`, { cause: error })
  })
  if (!all.includes('=== Lodge test guest ===') || !all.includes(`uuid ${serverId}`))
    throw new LodgeError('internal', `The console is not that of server ${serverId}.`)
}

/** Text of a guest, which may hold anything, as lines that can be shown on a terminal. */
function readable(text: string): string[] {
  const plain = stripVTControlCharacters(text).replaceAll(/[^\P{Cc}\n]/gu, '')
  return plain.trim() === '' ? [] : plain.split('\n')
}

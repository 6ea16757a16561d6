/**
 * The checking proxy of the reference material, which holds every compute answer against Nova's own schemas. It
 * lies beside the checkout, not in it: where it is absent, the client runs go on without it and say so.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { freePort } from '../support/free-port.ts'
import { until } from '../support/until.ts'

const root = join(import.meta.dirname, '../..')
const script = join(root, '../shared/conformance/proxy.mjs')

export const proxyIsThere = existsSync(script)

export interface CheckingProxy {
  /** What clients are told as the compute service's URL. */
  computeUrl: string
  /** Ends it. Returns its report; `differences` is 0 when Nova would have answered alike. */
  finish(): Promise<{ report: string; checked: number; differences: number }>
}

/** Starts the proxy in front of a Lodge that will listen on `port`. */
export async function startCheckingProxy(port: number): Promise<CheckingProxy> {
  const listen = await freePort()
  const words = [
    script,
    '--target',
    `http://127.0.0.1:${port}`,
    '--listen',
    String(listen),
    '--prefix',
    '/compute',
  ]
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  let report = ''
  child.stdout.on('data', (data) => (report += data))
  const ended = new Promise((resolve) => child.once('close', resolve))
  await until('the checking proxy to listen', 10_000, () => report.includes('checking'))
  return {
    computeUrl: `http://127.0.0.1:${listen}/compute`,
    finish: async () => {
      child.kill('SIGTERM')
      await ended
      const [, checked, differences] = /(\d+) answers checked, (\d+) differences/.exec(report) ?? []
      return { report, checked: Number(checked), differences: Number(differences) }
    },
  }
}

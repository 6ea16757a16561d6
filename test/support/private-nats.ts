/** A nats-server of a test's own, with the configuration that `lodge fleet init` writes. */
import { execFileSync, spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { silentLogger } from '../../src/base/logging.ts'
import { connectNats } from '../../src/bus/nats-connect.ts'
import { createNatsBus, type NatsBus } from '../../src/bus/nats.ts'
import type { NatsPatience } from '../../src/bus/nats-controller-side.ts'
import { agentClaims, credentialsFile, newAgentKey } from '../../src/bus/nats-keys.ts'
import { agentInbox } from '../../src/bus/nats-subjects.ts'
import { initFleet, readFleetKeys } from '../../src/daemon/fleet.ts'
import { freePort } from './free-port.ts'
import { until } from './until.ts'

export interface PrivateNats {
  readonly directory: string
  /** A controller's state directory, which has the fleet's keys. */
  readonly state: string
  readonly url: string
  /** Of the server that runs; undefined while none does. */
  readonly pid: number | undefined
  /** The authority that the server's certificate is checked with; null without TLS. */
  readonly caFile: string | null
  readonly controllerCredentials: string
  /** A file of credentials for the agent of that host. */
  agentCredentials(host: string): Promise<string>
  controllerBus(patience?: Partial<NatsPatience>): Promise<NatsBus>
  /** The bus of an agent that has the credentials of `host`. */
  agentBus(host: string, patience?: Partial<NatsPatience>): Promise<NatsBus>
  /** SIGKILL. */
  kill(): Promise<void>
  start(): Promise<void>
  remove(): Promise<void>
}

export const natsServer = ['/usr/sbin/nats-server', '/usr/bin/nats-server'].find(existsSync)

export async function startPrivateNats(options: { tls?: boolean } = {}): Promise<PrivateNats> {
  const directory = mkdtempSync(join(tmpdir(), 'lodge-nats-'))
  const state = join(directory, 'controller')
  const port = await freePort()
  const tls = options.tls ? makeCertificates(directory) : null
  const files = await initFleet(state, { host: '127.0.0.1', port, tls })
  const caFile = tls?.caFile ?? null
  const url = `${tls ? 'tls' : 'nats'}://127.0.0.1:${port}`
  let child: ChildProcess | undefined

  const open = async (credentials: string, patience?: Partial<NatsPatience>, inboxPrefix?: string) =>
    createNatsBus({
      connection: await connectNats({
        url,
        credentialsFile: credentials,
        caFile,
        name: 'test',
        ...(inboxPrefix !== undefined && { inboxPrefix }),
      }),
      log: silentLogger(),
      ...(patience && { patience }),
    })

  const nats: PrivateNats = {
    directory,
    state,
    url,
    get pid() {
      return child?.exitCode === null && child.signalCode === null ? child.pid : undefined
    },
    caFile,
    controllerCredentials: files.credentials,
    agentCredentials: async (host) => {
      const { seed, publicKey } = newAgentKey()
      const path = join(directory, `${encodeURIComponent(host)}.creds`)
      const jwt = await agentClaims(readFleetKeys(state)!.accountSeed, host, publicKey)
      writeFileSync(path, credentialsFile(jwt, seed))
      return path
    },
    controllerBus: (patience) => open(files.credentials, patience),
    agentBus: async (host, patience) => open(await nats.agentCredentials(host), patience, agentInbox(host)),
    kill: async () => {
      const ended = child
      if (!ended || ended.exitCode !== null || ended.signalCode !== null) return
      const gone = new Promise((resolve) => ended.once('close', resolve))
      ended.kill('SIGKILL')
      await gone
    },
    start: async () => {
      child = spawn(natsServer ?? 'nats-server', ['-c', files.serverConfig], { stdio: 'ignore' })
      await until('nats-server to listen', 20_000, () => answers(port))
    },
    remove: async () => {
      await nats.kill()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  await nats.start()
  return nats
}

function answers(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}

/** An authority, and a certificate of it for the loopback. */
function makeCertificates(directory: string) {
  const at = (name: string): string => join(directory, name)
  const openssl = (...words: string[]): void => {
    execFileSync('openssl', words, { stdio: 'ignore' })
  }
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  const ca = ['-subj', '/CN=lodge test authority', '-keyout', at('ca.key'), '-out', at('ca.pem')]
  openssl('req', '-x509', ...key, ...ca)
  const server = ['-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1']
  const signed = [
    '-CA',
    at('ca.pem'),
    '-CAkey',
    at('ca.key'),
    '-addext',
    'basicConstraints=critical,CA:FALSE',
  ]
  openssl('req', '-x509', ...key, ...server, ...signed, '-keyout', at('nats.key'), '-out', at('nats.pem'))
  return { caFile: at('ca.pem'), certificateFile: at('nats.pem'), keyFile: at('nats.key') }
}

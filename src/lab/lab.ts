import type { ChildProcess, StdioOptions } from 'node:child_process'

/** Several hypervisor hosts on one machine. Host number N is `hosts[N - 1]`. */
export interface Lab {
  readonly directory: string
  readonly hosts: readonly LabHost[]
  /**
   * Of the programs that run in the switch, kept running there once `startCloud` has begun them. A handle may be taken
   * before.
   */
  service(name: 'nats' | 'controller'): LabService
  /** Ends everything in the lab at once and removes what it kept, disks included. A second call does no harm. */
  stop(): Promise<void>
}

/** One host: its own libvirtd, processes, host name, network address, control groups and directories. */
export interface LabHost {
  /** From 1 on. */
  readonly number: number
  /** Its host name, `host1`. The hosts find each other by it. */
  readonly name: string
  /** On the lab's network, which is closed: nothing else on the machine is reached from it, or reaches it. */
  readonly address: string
  /** Reaches the host's libvirtd from outside. Between hosts it is `qemu+tcp://ADDRESS/system`. */
  readonly libvirtUri: string
  /**
   * The host's own files as seen from outside: `lib` is its /var/lib/libvirt, `etc` its /etc/libvirt, `log` its
   * /var/log, `run` its /run, `cache` its /var/cache/libvirt. All other paths are the machine's, shared by all.
   */
  readonly directory: string
  /** Whether it runs: not before its start, and not after `kill()`. */
  isUp(): boolean
  /** Whether its network link is cut. False for a host that is down. */
  isCut(): Promise<boolean>
  /**
   * Runs a program on the host, no shell between, and returns what it wrote. Ended after `timeout` milliseconds,
   * 60,000 if not said.
   * @throws LodgeError conflict when the host is down, unavailable when the program fails, timeout
   */
  exec(words: string[], options?: { timeout?: number }): Promise<{ stdout: string; stderr: string }>
  /**
   * Starts a program on the host and leaves it running. It ends with the host, and with the calling process.
   * @throws LodgeError conflict when the host is down
   */
  spawn(words: string[], options?: { stdio?: StdioOptions; env?: NodeJS.ProcessEnv }): HostProcess
  /**
   * The host runs this program from now on, as a service manager would: within a second, again when it has ended,
   * and at each start of the host. What it says goes to its /var/log/service.log. A second call names another
   * program, for when the first has ended. `service('service')` is its handle.
   */
  keepRunning(words: string[]): void
  /** Of the programs that the host keeps running: libvirt's, and the one of `keepRunning`, Lodge's agent in a cloud. */
  service(name: 'libvirtd' | 'virtlogd' | 'service'): LabService
  /** The host crashes: all its processes, guests too, are gone when this returns. Its disks stay. */
  kill(): Promise<void>
  /**
   * Starts a host that was killed, with the disks and settings it had; returns when its libvirtd answers.
   * @throws LodgeError conflict when it is up
   */
  start(): Promise<void>
  /** Unplugs the host from the network. What runs on it runs on. */
  cut(): Promise<void>
  /** Plugs it in again. */
  mend(): Promise<void>
}

/** A program that the lab keeps running, as a service manager does: within two seconds, again when it has ended. */
export interface LabService {
  readonly name: string
  /** Its process id on this machine; undefined while it does not run. */
  pid(): number | undefined
  /** SIGSTOP freezes it, SIGCONT lets it go on. @throws LodgeError conflict when it does not run */
  signal(name: NodeJS.Signals): void
  /** `kill -9`; it is gone when this returns. @throws LodgeError conflict when it does not run */
  kill(): Promise<void>
}

/** A program that runs on a host. */
export interface HostProcess {
  /** Has the program's standard streams, and its exit. Do not signal this one: it stands outside the host. */
  readonly child: ChildProcess
  /** Sends a signal to the program itself; false when it is gone. */
  signal(name: NodeJS.Signals): boolean
}

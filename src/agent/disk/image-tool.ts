import { execFile } from 'node:child_process'
import { LodgeError, messageOf } from '../../base/errors.ts'

/** What an image tool may use; beyond that the kernel ends it. */
export interface ToolLimits {
  addressSpaceMiB: number
  cpuSeconds: number
}

/** QEMU's words for the formats that the tool is asked to read. */
export type ToolFormat = 'raw' | 'qcow2' | 'vmdk' | 'vdi' | 'vpc' | 'vhdx'

export interface ImageTool {
  /** Makes the new qcow2 file `file` over the read-only `base`. */
  createOverlay(
    file: string,
    base: { file: string; format: 'qcow2' | 'raw' },
    sizeBytes: number,
    signal?: AbortSignal,
  ): Promise<void>
  /**
   * Writes the whole disk `source` into the new file `target`, which then depends on nothing. `trusted`: the
   * source is a disk that we made, and takes as much processor time as its size needs.
   */
  convert(
    source: { file: string; format: ToolFormat },
    target: { file: string; format: 'qcow2' | 'raw' },
    options: { trusted: boolean; signal?: AbortSignal },
  ): Promise<void>
  /** Tells an overlay what it stands on from now on, null for nothing. The content of both must fit already. */
  rebase(
    file: string,
    base: { file: string; format: 'qcow2' | 'raw' } | null,
    signal?: AbortSignal,
  ): Promise<void>
  /** Grows a qcow2 disk. Refuses to shrink it. */
  grow(file: string, sizeBytes: number, signal?: AbortSignal): Promise<void>
  /** Writes a swap header over the first page of the raw file. */
  formatSwap(file: string, signal?: AbortSignal): Promise<void>
  /** Makes an ext4 file system in the raw file. */
  formatExt4(file: string, label: string, signal?: AbortSignal): Promise<void>
}

/** Runs a program to its end; rejects as `execFile` does. Tests pass one of their own. */
export type RunProgram = (
  program: string,
  args: string[],
  options: { timeoutMs: number; signal?: AbortSignal },
) => Promise<void>

/** Far more than any honest run needs: a whole disk may take an hour to copy, an overlay takes milliseconds. */
const timeouts = { quick: 60_000, copy: 4 * 3_600_000 }

/** Pages 4 KiB, as the guests of the architectures here have them. */
const swapPageSize = '4096'

/**
 * The programs that touch disks, each under limits of address space, processor time and wall time (prlimit sets
 * them and then becomes the program: no second process), each with explicit formats: qemu-img never guesses.
 * @throws LodgeError internal with the program's words in `details.stderr`; the signal's reason when aborted
 */
export function createImageTool(limits: ToolLimits, run: RunProgram = runProgram): ImageTool {
  const limited = async (
    program: string,
    args: string[],
    options: { copy?: boolean; trusted?: boolean; signal?: AbortSignal | undefined } = {},
  ): Promise<void> => {
    const flags = [`--as=${limits.addressSpaceMiB * 2 ** 20}`, '--core=0']
    if (!options.trusted) flags.push(`--cpu=${limits.cpuSeconds}`)
    try {
      await run('prlimit', [...flags, '--', program, ...args], {
        timeoutMs: options.copy ? timeouts.copy : timeouts.quick,
        signal: options.signal,
      })
    } catch (thrown) {
      options.signal?.throwIfAborted()
      throw explained(program, args, limits, thrown)
    }
  }
  return {
    createOverlay: (file, base, sizeBytes, signal) =>
      limited(
        'qemu-img',
        ['create', '-q', '-f', 'qcow2', '-b', base.file, '-F', base.format, '--', file, String(sizeBytes)],
        { signal },
      ),
    convert: (source, target, { trusted, signal }) =>
      limited(
        'qemu-img',
        ['convert', '-q', '-f', source.format, '-O', target.format, '--', source.file, target.file],
        { copy: true, trusted, signal },
      ),
    rebase: (file, base, signal) => {
      const format = base ? ['-F', base.format] : []
      const args = ['rebase', '-q', '-u', '-f', 'qcow2', '-b', base?.file ?? '', ...format, '--', file]
      return limited('qemu-img', args, { signal })
    },
    grow: (file, sizeBytes, signal) =>
      limited('qemu-img', ['resize', '-q', '-f', 'qcow2', '--', file, String(sizeBytes)], { signal }),
    formatSwap: (file, signal) => limited('mkswap', ['-q', '-p', swapPageSize, file], { signal }),
    formatExt4: (file, label, signal) =>
      limited('mkfs.ext4', ['-q', '-F', '-E', 'nodiscard', '-L', label, file], { signal }),
  }
}

export const runProgram: RunProgram = (program, args, { timeoutMs, signal }) =>
  new Promise((resolve, reject) => {
    execFile(
      program,
      args,
      {
        timeout: timeoutMs,
        killSignal: 'SIGKILL',
        maxBuffer: 64 * 1024,
        signal,
        env: { PATH: `${process.env.PATH ?? ''}:/usr/sbin:/sbin:/usr/bin:/bin`, LC_ALL: 'C' },
      },
      (error, _stdout, stderr) => {
        if (error) reject(Object.assign(error, { stderr }))
        else resolve()
      },
    )
  })

function explained(program: string, args: string[], limits: ToolLimits, thrown: unknown): LodgeError {
  const failure = thrown as { code?: unknown; signal?: unknown; killed?: boolean; stderr?: unknown }
  const stderr = String(failure.stderr ?? '').slice(-2000)
  const details = { program, args, stderr, code: failure.code ?? null, signal: failure.signal ?? null }
  const because = (text: string): LodgeError =>
    new LodgeError('internal', `${program} ${text}`, { cause: thrown, details })
  if (failure.code === 'ENOENT') return because('cannot be started: prlimit (util-linux) is not installed')
  if (failure.code === 127 && /failed to execute/.test(stderr)) return because('is not installed')
  if (failure.killed) return because('took too long and was ended')
  if (failure.signal === 'SIGXCPU' || failure.signal === 'SIGKILL')
    return because(`needed more than ${limits.cpuSeconds} s of processor time (agent.imageTool.cpuSeconds)`)
  if (failure.signal || /memory/i.test(stderr))
    return because(`needed more than ${limits.addressSpaceMiB} MiB (agent.imageTool.addressSpaceMiB)`)
  return because(`failed: ${stderr.trim().split('\n').at(-1) || messageOf(thrown)}`)
}

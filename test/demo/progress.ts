import type { WriteStream } from 'node:tty'
import { messageOf } from '../../src/base/errors.ts'

export interface FinishedStep {
  title: string
  seconds: number
  /** What came of it, in a few words. */
  note: string
}

export interface Progress {
  readonly finished: readonly FinishedStep[]
  /** Does one step, and shows one line for it: live at a terminal, when it has ended elsewhere. */
  step<T>(title: string, work: (note: (text: string) => void) => Promise<T>): Promise<T>
  /** Prints a line of its own, above the one of the step under way. */
  print(line: string): void
}

const spinner = '⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏'
const eraseLine = '\r\x1b[K'

/** Shows steps on `out`. No step begins after `signal` is aborted. */
export function createProgress(out: NodeJS.WriteStream | WriteStream, signal: AbortSignal): Progress {
  const finished: FinishedStep[] = []
  let live = ''

  const show = (line: string): void => {
    live = line
    if (out.isTTY) out.write(eraseLine + line.slice(0, (out.columns || 80) - 1))
  }
  const print = (line: string): void => {
    out.write(`${out.isTTY ? eraseLine : ''}${line}\n`)
    if (live !== '') show(live)
  }
  const end = (mark: string, { title, seconds, note }: FinishedStep): void => {
    live = ''
    print(`${mark} ${inSeconds(seconds)}  ${title}${note && `: ${note}`}`)
  }

  return {
    finished,
    print,
    async step(title, work) {
      signal.throwIfAborted()
      const started = performance.now()
      let note = ''
      let frame = 0
      const now = (): FinishedStep => ({ title, seconds: (performance.now() - started) / 1000, note })
      const draw = (): void => {
        const { seconds } = now()
        show(`${spinner[frame++ % spinner.length]} ${inSeconds(seconds)}  ${title}${note && `: ${note}`}`)
      }
      const ticking = setInterval(draw, 100)
      draw()
      try {
        const result = await work((text) => (note = text))
        finished.push(now())
        end(out.isTTY ? '✓' : 'ok', now())
        return result
      } catch (error) {
        note = signal.aborted ? 'interrupted' : messageOf(error).split('\n', 1)[0]!
        end(out.isTTY ? '✗' : 'FAILED', now())
        throw error
      } finally {
        clearInterval(ticking)
      }
    },
  }
}

/** `  1.20 s` */
export const inSeconds = (seconds: number): string => `${seconds.toFixed(2).padStart(6)} s`

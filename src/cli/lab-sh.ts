import { once } from 'node:events'
import type { Command } from './commands.ts'
import { UsageError } from './flags.ts'
import { hostOf, parseLabWords } from './lab-words.ts'

/** `lodge lab sh`: a shell, or a program, on one host of the lab. Its status is the program's. */
export const labSh: Command = {
  name: 'lab sh',
  usage: '[--dir DIR] N [PROGRAM [WORD...]]',
  summary: 'open a shell on host N of the lab, or run a program there',
  takesProgram: true,
  run: async (words) => {
    // Options of ours stand before the number; those behind it are the program's.
    const ours = words[0] === '--dir' ? 2 : words[0]?.startsWith('-') ? 1 : 0
    const { directory } = parseLabWords(words.slice(0, ours))
    const [number, ...program] = words.slice(ours)
    if (number === undefined) throw new UsageError('which host? Say its number')
    const host = hostOf(directory, number)
    const { child } = host.spawn(program.length > 0 ? program : ['bash'], { stdio: 'inherit' })
    // A Ctrl-C at the terminal is for the program, which gets it too.
    const ignore = (): void => undefined
    process.on('SIGINT', ignore)
    const [status] = (await once(child, 'close')) as [number | null]
    process.off('SIGINT', ignore)
    return status ?? 1
  },
}

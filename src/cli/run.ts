import { LodgeError, messageOf } from '../base/errors.ts'
import { commands } from './commands.ts'
import { UsageError } from './flags.ts'
import { help } from './help.ts'
import { version } from './version.ts'

/**
 * Runs the `lodge` command with the words that follow its name. Returns the exit status: 0 done, 1 failed,
 * 2 asked for wrongly. What goes wrong is one line on standard error.
 */
export async function run(words: string[]): Promise<number> {
  if (words.length === 0 || words[0] === 'help' || words[0] === '--help') {
    console.log(help(commands))
    return words.length === 0 ? 2 : 0
  }
  if (words[0] === '--version') {
    console.log(`lodge ${version()}`)
    return 0
  }
  const command = commands.find(({ name }) => name.split(' ').every((word, i) => words[i] === word))
  if (!command) {
    console.error(`lodge: there is no command '${words.join(' ')}'; 'lodge help' lists them`)
    return 2
  }
  const rest = words.slice(command.name.split(' ').length)
  const ours = command.takesProgram ? rest.slice(0, 1) : rest
  if (ours.includes('--help') || ours.includes('-h')) {
    console.log(`lodge ${command.name} ${command.usage}\n  ${command.summary}`)
    return 0
  }
  try {
    return await command.run(rest)
  } catch (error) {
    if (error instanceof UsageError) {
      console.error(`lodge ${command.name}: ${error.message}; usage: lodge ${command.name} ${command.usage}`)
      return 2
    }
    const wrong = error instanceof LodgeError && error.kind === 'badRequest'
    console.error(`lodge ${command.name}: ${messageOf(error).replaceAll('\n', ' ')}`)
    return wrong ? 2 : 1
  }
}

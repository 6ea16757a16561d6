import type { Command } from './commands.ts'

/** What `lodge help` prints. */
export function help(commands: Command[]): string {
  const rows = commands.map(({ name, summary }) => `  ${name.padEnd(14)}${summary}`)
  const usages = commands.map(({ name, usage }) => `  lodge ${name} ${usage}`)
  return [
    'Lodge: a compute service for KVM hosts that speaks the OpenStack Compute API.',
    '',
    ...rows,
    '',
    'Usage:',
    ...usages,
    '  lodge --version',
  ].join('\n')
}

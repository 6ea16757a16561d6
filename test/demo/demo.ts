/**
 * `npm run demo`: boots a real guest through the OpenStack API of a Lodge of its own, shows what happens, and stays up
 * until Ctrl-C. `npm run demo -- --exit` ends by itself, with status 0 only if the guest truly came up. Whatever was
 * made is removed in either case.
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { LodgeError, messageOf } from '../../src/base/errors.ts'
import { logTail } from './log-tail.ts'
import { createProgress } from './progress.ts'
import { showEnding } from './show-ending.ts'
import { tellStory, type Ending } from './story.ts'
import { createUndoList } from './undo.ts'

const usage = 'usage: npm run demo -- [--exit] [--libvirt-uri URI]'

async function main(flags: { exit: boolean; libvirtUri: string | undefined }): Promise<number> {
  const interrupt = interruption()
  const progress = createProgress(process.stdout, interrupt)
  const undo = createUndoList()
  // QEMU may run as a user of its own; it has to pass through to the servers' disks.
  const directory = mkdtempSync(join(tmpdir(), 'lodge-demo-'))
  chmodSync(directory, 0o711)
  undo.add(directory, () => rmSync(directory, { recursive: true, force: true }))
  const logFile = join(directory, 'lodge.log')

  let status = 0
  try {
    const story = tellStory({
      directory,
      logFile,
      progress,
      undo,
      signal: interrupt,
      libvirtUri: flags.libvirtUri,
    })
    const ending = await unlessInterrupted(story, interrupt)
    await showEnding(ending, progress)
    if (!flags.exit) await stayUp(ending, interrupt)
  } catch (error) {
    status = interrupt.aborted ? 130 : 1
    if (!interrupt.aborted) explain(error, logFile)
  }
  if (process.stdout.isTTY || status !== 0) console.log('Removing what was made ...')
  const problems = await undo.removeAll()
  for (const problem of problems) console.error(`demo: could not remove ${problem}`)
  return problems.length > 0 && status === 0 ? 1 : status
}

/** Aborted by the first Ctrl-C or SIGTERM. Later ones change nothing: the removal is already on its way. */
function interruption(): AbortSignal {
  const controller = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(name, () => controller.abort(new LodgeError('timeout', 'interrupted')))
  return controller.signal
}

const aborted = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve()
    else signal.addEventListener('abort', () => resolve(), { once: true })
  })

/** What `story` gives. After an interruption the step under way gets a moment to end, so that it can be undone. */
async function unlessInterrupted(story: Promise<Ending>, signal: AbortSignal): Promise<Ending> {
  await Promise.race([story, aborted(signal)])
  if (!signal.aborted) return story
  await Promise.race([story.catch(() => {}), delay(10_000, undefined, { ref: false })])
  throw signal.reason
}

async function stayUp(ending: Ending, signal: AbortSignal): Promise<void> {
  console.log('\nCtrl-C ends this and removes all of it.')
  const status = await Promise.race([ending.lodge.ended, aborted(signal)])
  if (!signal.aborted) throw new LodgeError('internal', `Lodge ended by itself, with status ${status}.`)
}

function explain(error: unknown, logFile: string): void {
  // The log is removed with all the rest; its end is shown here instead.
  console.error(`\ndemo: ${messageOf(error).replace(`; see ${logFile}`, '')}`)
  const tail = logTail(logFile, 15)
  if (tail.length > 0)
    console.error(`The end of Lodge's log:\n${tail.map((line) => `   ${line}`).join('\n')}`)
}

function parse() {
  try {
    const options = {
      exit: { type: 'boolean', default: false },
      'libvirt-uri': { type: 'string' },
      help: { type: 'boolean', default: false },
    } as const
    return parseArgs({ options }).values
  } catch (error) {
    console.error(`demo: ${messageOf(error)}\n${usage}`)
    process.exit(2)
  }
}

const flags = parse()
if (flags.help) console.log(usage)
else process.exit(await main({ exit: flags.exit, libvirtUri: flags['libvirt-uri'] }))

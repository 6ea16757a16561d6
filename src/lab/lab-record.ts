import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { LodgeError } from '../base/errors.ts'
import { isAlive, type ProcessMark } from './processes.ts'

/** What is written down of a lab in its directory, for other processes and for the sweep after a crash. */
export interface LabRecord {
  version: 1
  /** Names its control group. */
  group: string
  hosts: number
  /** The process that starts, or started, the lab. */
  owner: ProcessMark
  /** keeper.sh, once started. */
  keeper?: ProcessMark
  /** Process 1 of the lab (switch.sh), once started. */
  init?: ProcessMark
}

/** The record in that directory; undefined when there is none. */
export function readLabRecord(directory: string): LabRecord | undefined {
  let text: string
  try {
    text = readFileSync(pathOf(directory), 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    const record = JSON.parse(text) as LabRecord
    if (record.version === 1 && /^lodge-lab-[0-9a-f-]+$/.test(record.group)) return record
  } catch {
    // Said below.
  }
  throw new LodgeError(
    'badRequest',
    `${pathOf(directory)} is not the record of a lab of this version; choose another directory, or remove it`,
  )
}

/** Writes the first record of a lab. @throws LodgeError conflict if another lab has the directory */
export function claimLabDirectory(directory: string, record: LabRecord): void {
  try {
    writeFileSync(pathOf(directory), JSON.stringify(record), { flag: 'wx', mode: 0o600 })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') throw labRuns(directory)
    throw error
  }
}

/** Replaces the record; nobody meets half of it. */
export function writeLabRecord(directory: string, record: LabRecord): void {
  const half = `${pathOf(directory)}.new`
  writeFileSync(half, JSON.stringify(record), { mode: 0o600 })
  renameSync(half, pathOf(directory))
}

/** Whether the lab runs, or is just being started. */
export const labIsAlive = (record: LabRecord): boolean => isAlive(record.init ?? record.owner)

/** The refusal to start a second lab in one directory. */
export const labRuns = (directory: string): LodgeError =>
  new LodgeError(
    'conflict',
    `A lab runs in ${directory} already; 'lodge lab down --dir ${directory}' ends it, another --dir starts another`,
  )

/** The host's process 1, as written down at its last start. */
export function readHostMark(hostDirectory: string): ProcessMark | undefined {
  try {
    return JSON.parse(readFileSync(join(hostDirectory, 'process.json'), 'utf8')) as ProcessMark
  } catch {
    return undefined
  }
}

export function writeHostMark(hostDirectory: string, mark: ProcessMark): void {
  const half = join(hostDirectory, 'process.json.new')
  writeFileSync(half, JSON.stringify(mark))
  renameSync(half, join(hostDirectory, 'process.json'))
}

const pathOf = (directory: string): string => join(directory, 'lab.json')

import { resolve } from 'node:path'
import { LodgeError } from '../base/errors.ts'
import type { Lab } from './lab.ts'
import { labHost } from './lab-host.ts'
import { labOf } from './lab-of.ts'
import { labIsAlive, readLabRecord } from './lab-record.ts'

/** The lab that runs in that directory, whoever started it. @throws LodgeError notFound if none runs there */
export function openLab(directory: string): Lab {
  const path = resolve(directory)
  const record = readLabRecord(path)
  const init = record?.init
  if (!record || !init || !labIsAlive(record))
    throw new LodgeError('notFound', `No lab runs in ${path}; 'lodge lab up --dir ${path}' starts one`)
  const hosts = Array.from({ length: record.hosts }, (_, i) => labHost(path, i + 1, init.pid, record.group))
  return labOf(path, hosts, init)
}

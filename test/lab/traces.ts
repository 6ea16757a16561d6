import { existsSync, readFileSync, readdirSync, readlinkSync } from 'node:fs'
import { join } from 'node:path'
import type { Lab } from '../../src/lab/lab.ts'
import { readHostMark, readLabRecord } from '../../src/lab/lab-record.ts'

/** What tells a lab's belongings from all else on the machine. */
export interface LabMarks {
  directory: string
  group: string
  /** The namespaces of its processes, as in `net:[4026532312]`. */
  namespaces: string[]
}

/** Taken while the lab runs. */
export function marksOf(lab: Lab): LabMarks {
  const record = readLabRecord(lab.directory)
  const pids = [record?.init?.pid, ...lab.hosts.map((host) => readHostMark(host.directory)?.pid)]
  const own = namespacesOf('self')
  return {
    directory: lab.directory,
    group: record?.group ?? '',
    namespaces: pids.flatMap((pid) => namespacesOf(String(pid))).filter((name) => !own.includes(name)),
  }
}

/** What of the lab is there now, as readable lines; none after its end. Its files are not looked at. */
export function tracesOf(marks: LabMarks): string[] {
  const groups = readFileSync('/proc/mounts', 'utf8')
    .split('\n')
    .map((line) => line.split(' '))
    .filter(([, , kind]) => kind === 'cgroup' || kind === 'cgroup2')
    .map(([, point = '']) => join(point, marks.group))
    .filter((path) => existsSync(path))
  const mounts = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .filter((line) => line.includes(marks.directory) || marks.namespaces.some((name) => line.includes(name)))
  const links = readdirSync('/sys/class/net').filter((name) => /^(port\d+|switch)$/.test(name))
  const processes = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry) && entry !== String(process.pid))
    .filter(
      (pid) =>
        namespacesOf(pid).some((name) => marks.namespaces.includes(name)) ||
        commandOf(pid).includes(marks.directory) ||
        commandOf(pid).includes(marks.group),
    )
    .map((pid) => `process ${pid} ${commandOf(pid)}`)
  return [...groups, ...mounts, ...links, ...processes]
}

function namespacesOf(pid: string): string[] {
  return ['mnt', 'net', 'uts', 'pid', 'ipc', 'cgroup'].flatMap((kind) => {
    try {
      return [readlinkSync(`/proc/${pid}/ns/${kind}`)]
    } catch {
      return []
    }
  })
}

function commandOf(pid: string): string {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ')
  } catch {
    return ''
  }
}

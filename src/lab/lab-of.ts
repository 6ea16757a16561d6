import type { Lab, LabHost } from './lab.ts'
import { isAlive, type ProcessMark } from './processes.ts'
import { labService } from './service.ts'
import { sweepLab } from './sweep-lab.ts'

/** The handle of the running lab in that directory whose process 1 is `init`. */
export function labOf(directory: string, hosts: LabHost[], init: ProcessMark): Lab {
  const switchPid = (): number | undefined => (isAlive(init) ? init.pid : undefined)
  return {
    directory,
    hosts,
    service: (name) => labService(name, switchPid),
    stop: () => sweepLab(directory),
  }
}

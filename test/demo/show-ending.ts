import { table } from '../../src/cli/table.ts'
import type { OpenStackApi } from '../support/openstack-api.ts'
import { inSeconds, type Progress } from './progress.ts'
import { names, type Ending } from './story.ts'

/** Prints what happened with its times, what Lodge did inside for the server, and how to go on. */
export async function showEnding(ending: Ending, progress: Progress): Promise<void> {
  const rows = progress.finished.map(({ title, seconds, note }) => [inSeconds(seconds), title, note])
  console.log(`\n${table(['  time', 'step', 'outcome'], rows)}`)
  const steps = await stepsOfCreate(ending.api, ending.serverId)
  if (steps.length > 0)
    console.log(`\nLodge's own steps of the create:\n\n${table(['  time', 'step', 'result'], steps)}`)
  console.log(`\nFrom the first step to ACTIVE: ${ending.secondsToActive.toFixed(1)} s`)
  const openstack = 'openstack --os-cloud lodge'
  console.log(`
To go on, with the OpenStack client (Debian: apt install python3-openstackclient):

  export OS_CLIENT_CONFIG_FILE=${ending.lodge.cloudsFile}
  ${openstack} server list
  ${openstack} console log show ${names.server}
  ${openstack} server event list ${names.server}
  ${openstack} server stop ${names.server}
  ${openstack} server create --image ${names.image} --flavor ${names.flavor} --nic none --wait another`)
}

interface ActionEvent {
  event: string
  start_time: string
  finish_time: string | null
  result: string | null
}

/** The steps of the server's first action, as any user reads them: OpenStack calls them events of instance actions. */
async function stepsOfCreate(api: OpenStackApi, serverId: string): Promise<string[][]> {
  const path = `/compute/v2.1/servers/${serverId}/os-instance-actions`
  const actions: { action: string; request_id: string }[] = (await api.must('GET', path)).body.instanceActions
  const create = actions.find(({ action }) => action === 'create')
  if (!create) return []
  const events: ActionEvent[] = (await api.must('GET', `${path}/${create.request_id}`)).body.instanceAction
    .events
  return events
    .toSorted((a, b) => a.start_time.localeCompare(b.start_time))
    .map(({ event, start_time, finish_time, result }) => [
      finish_time === null ? '' : inSeconds((Date.parse(finish_time) - Date.parse(start_time)) / 1000),
      event,
      result ?? 'under way',
    ])
}

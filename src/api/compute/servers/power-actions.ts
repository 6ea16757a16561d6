import type { ActionParams } from '../../../model/action.ts'
import type { TaskState } from '../../../model/server-state.ts'
import type { ApiServices, Route } from '../../common/route.ts'
import { anything, object } from '../../common/schema-parts.ts'
import { beginServerAction } from './begin-server-action.ts'

interface PowerAction {
  key: string
  name: 'start' | 'stop' | 'pause' | 'unpause' | 'suspend' | 'resume'
  task: TaskState
  policy: string
  summary: string
}

/** The actions that say no more than their name. */
const plainActions: PowerAction[] = [
  {
    key: 'os-start',
    name: 'start',
    task: 'powering-on',
    policy: 'servers:start',
    summary: 'Powers on a stopped server',
  },
  {
    key: 'os-stop',
    name: 'stop',
    task: 'powering-off',
    policy: 'servers:stop',
    summary: 'Powers off a server: asks the guest first, then cuts the power',
  },
  {
    key: 'pause',
    name: 'pause',
    task: 'pausing',
    policy: 'os-pause-server:pause',
    summary: 'Stops the virtual CPUs and keeps the memory',
  },
  {
    key: 'unpause',
    name: 'unpause',
    task: 'unpausing',
    policy: 'os-pause-server:unpause',
    summary: 'Lets the virtual CPUs go on',
  },
  {
    key: 'suspend',
    name: 'suspend',
    task: 'suspending',
    policy: 'os-suspend-server:suspend',
    summary: 'Saves the memory to disk and stops the guest',
  },
  {
    key: 'resume',
    name: 'resume',
    task: 'resuming',
    policy: 'os-suspend-server:resume',
    summary: 'Lets a suspended guest go on from its saved memory',
  },
]

/** start, stop, pause, unpause, suspend, resume and reboot. */
export const powerActionRoutes = (services: ApiServices): Route[] => [
  ...plainActions.map((action): Route => ({
    method: 'POST',
    path: '/servers/:id/action',
    action: action.key,
    policy: action.policy,
    role: 'member',
    success: 202,
    body: [{ schema: anything }],
    summary: action.summary,
    handler: async (request) => {
      await beginServerAction(services, request, {
        name: action.name,
        guard: action.name,
        patch: { taskState: action.task },
        params: {},
      })
      return {}
    },
  })),
  {
    method: 'POST',
    path: '/servers/:id/action',
    action: 'reboot',
    policy: 'servers:reboot',
    role: 'member',
    success: 202,
    body: [
      {
        schema: object(
          { type: { type: 'string', enum: ['HARD', 'Hard', 'hard', 'SOFT', 'Soft', 'soft'] } },
          { required: ['type'] },
        ),
      },
    ],
    summary: 'Reboots a server: softly through the guest, or hard by a new start of its domain',
    handler: async (request) => {
      const type = (request.body as { type: string }).type.toUpperCase() as ActionParams['reboot']['type']
      await beginServerAction(services, request, {
        name: 'reboot',
        guard: type === 'SOFT' ? 'reboot-soft' : 'reboot-hard',
        patch: { taskState: type === 'SOFT' ? 'rebooting' : 'rebooting_hard' },
        params: { type },
      })
      return {}
    },
  },
]

import { test } from 'node:test'
import type { GuestDiagnostics } from '../../src/model/guest-diagnostics.ts'
import type { Server } from '../../src/model/server.ts'
import { finishSteps, insertStep } from '../../src/store/action-steps.ts'
import { listActions } from '../../src/store/actions.ts'
import { insertFault } from '../../src/store/server-faults.ts'
import { setServerTags } from '../../src/store/server-tags.ts'
import { updateServer } from '../../src/store/servers.ts'
import { holdAgainstNova, novaIsHere, type Example } from '../support/nova-contract.ts'
import { serverBed, type ServerBed } from '../support/server-bed.ts'

test(
  'servers have Nova’s shapes at every microversion',
  { skip: !novaIsHere, timeout: 240_000 },
  async (t) => {
    await using bed = await serverBed()
    Object.assign(bed.services.config.quota, { instances: -1, cores: -1, ramMiB: -1 })
    bed.services.ask = (async ({ name }: { name: string }) =>
      name === 'guestDiagnostics' ? diagnostics : { output: 'login: ' }) as never
    const id = await fullServer(bed)
    const { requestId } = (await listActions(bed.store.db, id))![0]!
    for (const as of ['admin', 'member'] as const)
      for (const example of [...reads(id, requestId), ...(as === 'admin' ? forAdministrators(id) : [])])
        await t.test(`${example.route} as ${as}`, () => holdAgainstNova(bed, { ...example, as }))
    for (const as of ['admin', 'member'] as const)
      for (const example of writes(bed, id))
        await t.test(`${example.route} as ${as}`, () => holdAgainstNova(bed, { ...example, as }))
  },
)

/** A server of which there is as much to show as there can be; another one failed. */
async function fullServer(bed: ServerBed): Promise<string> {
  const { db } = bed.store
  const now = bed.clock.time
  const broken = await bed.addServer({ vmState: 'error', taskState: null })
  await insertFault(db, broken.id, {
    code: 500,
    message: 'No valid host was found.',
    details: 'x',
    createdAt: now,
  })
  const created = await bed.call('POST /servers', {
    as: 'member',
    body: bed.body({
      key_name: 'my key',
      metadata: { a: 'b' },
      description: 'd',
      user_data: 'aGVsbG8=',
      tags: ['t'],
      accessIPv4: '192.0.2.1',
      accessIPv6: '2001:db8::1',
      availability_zone: 'nova',
    }),
  })
  const { id } = created.body.server
  const patch = { vmState: 'active', taskState: null, powerState: 1, host: 'alpha', launchedAt: now } as const
  await updateServer(db, id, { ...patch, rootDeviceName: '/dev/vda', lockedReason: 'r' }, now)
  const [action] = (await listActions(db, id)) ?? []
  await insertStep(db, {
    actionId: action!.id,
    event: 'compute__do_build_and_run_instance',
    host: 'alpha',
    now,
  })
  await finishSteps(db, action!.id, { result: 'Success', now })
  await insertStep(db, { actionId: action!.id, event: 'schedule_instances', host: null, now })
  await setServerTags(db, id, ['one', 'two'])
  return id
}

function reads(id: string, requestId: string): Example[] {
  const get = (route: string, path = route): Example => ({
    route: `GET ${route}`,
    call: () => `GET ${path.replace('{id}', id).replace('{server_id}', id)}`,
  })
  const actions = `/servers/${id}/os-instance-actions`
  return [
    get('/servers', '/servers?limit=1'),
    get('/servers/detail'),
    get('/servers/detail', '/servers/detail?limit=1'),
    get('/servers/{id}'),
    get('/servers/{server_id}/metadata'),
    get('/servers/{server_id}/metadata/{id}', `/servers/${id}/metadata/a`),
    get('/servers/{server_id}/tags'),
    get('/servers/{server_id}/tags/{id}', `/servers/${id}/tags/one`),
    get('/servers/{server_id}/ips'),
    get('/servers/{server_id}/os-interface'),
    get('/servers/{server_id}/os-security-groups'),
    get('/servers/{server_id}/os-volume_attachments'),
    {
      route: 'GET /servers/{server_id}/os-instance-actions',
      call: (version) => `GET ${actions}${version < 58 ? '' : '?limit=1'}`,
    },
    get('/servers/{server_id}/os-instance-actions/{id}', `${actions}/${requestId}`),
  ]
}

const forAdministrators = (id: string): Example[] => [
  { route: 'GET /servers/{server_id}/diagnostics', call: () => `GET /servers/${id}/diagnostics` },
]

const diagnostics: GuestDiagnostics = {
  powerState: 1,
  hypervisor: 'qemu',
  memory: { maximumKiB: 65_536, usedKiB: null },
  cpus: [{ id: 0, timeNs: 1 }],
  disks: [{ target: 'vda', readBytes: 1, readRequests: 1, writeBytes: null, writeRequests: null }],
}

function writes(bed: ServerBed, id: string): Example[] {
  const send = (route: string, path: string, body?: (version: number) => unknown): Example => ({
    route,
    call: () => `${route.split(' ')[0]} ${path}`,
    body,
  })
  const metadata = `/servers/${id}/metadata`
  return [
    send('POST /servers', '/servers', (version) => ({
      server: {
        name: 'new',
        flavorRef: '1',
        imageRef: bed.imageId,
        ...(version >= 37 ? { networks: 'auto' } : {}),
        ...(version >= 52 ? { tags: ['x'] } : {}),
        ...(version >= 90 ? { hostname: 'new-host' } : {}),
      },
    })),
    send('PUT /servers/{id}', `/servers/${id}`, () => ({ server: { name: 'other' } })),
    send('POST /servers/{id}/action lock', `/servers/${id}/action`, () => ({ lock: null })),
    send('POST /servers/{id}/action unlock', `/servers/${id}/action`, () => ({ unlock: null })),
    send('POST /servers/{id}/action os-getConsoleOutput', `/servers/${id}/action`, () => ({
      'os-getConsoleOutput': { length: 3 },
    })),
    send('POST /servers/{server_id}/metadata', metadata, () => ({ metadata: { c: 'd' } })),
    send('PUT /servers/{server_id}/metadata', metadata, () => ({ metadata: { a: 'd', c: 'd' } })),
    send('PUT /servers/{server_id}/metadata/{id}', `${metadata}/c`, () => ({ meta: { c: 'e' } })),
    send('PUT /servers/{server_id}/tags', `/servers/${id}/tags`, () => ({ tags: ['three'] })),
    send('PUT /servers/{server_id}/tags/{id}', `/servers/${id}/tags/four`),
    send('DELETE /servers/{server_id}/tags', `/servers/${id}/tags`),
    actionOn(bed, 'rebuild', { vmState: 'active' }, (version) => rebuildAt(version, bed.imageId)),
    actionOn(bed, 'createBackup', { vmState: 'active' }, () => ({
      name: 'backup',
      backup_type: 'daily',
      rotation: 1,
    })),
    actionOn(bed, 'restore', { vmState: 'soft-delete' }, () => null),
    actionOn(bed, 'forceDelete', { vmState: 'soft-delete' }, () => null),
    send('DELETE /servers/{id}', `/servers/${id}`),
  ]
}

/** A server for each request, since one that has the action under way cannot have it again. */
function actionOn(
  bed: ServerBed,
  name: string,
  state: Partial<Server>,
  value: (version: number) => unknown,
): Example {
  let id = ''
  return {
    route: `POST /servers/{id}/action ${name}`,
    prepare: async () => {
      ;({ id } = await bed.addServer({ taskState: null, host: 'alpha', ...state }))
    },
    call: () => `POST /servers/${id}/action`,
    body: (version) => ({ [name]: value(version) }),
  }
}

const rebuildAt = (version: number, imageRef: string): object => ({
  imageRef,
  name: 'rebuilt',
  metadata: { a: 'b' },
  ...(version >= 19 ? { description: null } : {}),
  ...(version >= 54 ? { key_name: null } : {}),
  ...(version >= 57 ? { user_data: 'aGVsbG8=' } : {}),
  ...(version >= 63 ? { trusted_image_certificates: null } : {}),
  ...(version >= 90 ? { hostname: 'new-host' } : {}),
})

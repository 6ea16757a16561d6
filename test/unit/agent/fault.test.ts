import assert from 'node:assert/strict'
import { test } from 'node:test'
import { faultOf } from '../../../src/agent/fault.ts'
import { LodgeError, type ErrorKind } from '../../../src/base/errors.ts'
import type { Fault, Verb } from '../../../src/contract/command.ts'

/** As the binding marks them, with the call. */
const libvirt = (kind: ErrorKind, words: string): LodgeError =>
  new LodgeError(kind, words, { details: { call: 'domainCreateWithFlags', code: 1 } })

const could = (what: string): string => `Host kvm7 could not ${what} the server.`

const cases: [string, Verb, unknown, Omit<Fault, 'details'>][] = [
  [
    'a bad image is bad everywhere',
    'spawn',
    new LodgeError('badRequest', 'The image has a backing file'),
    { kind: 'badRequest', code: 400, message: 'The image has a backing file', retry: 'never' },
  ],
  [
    'a broken download may work elsewhere, and the user reads of it',
    'spawn',
    new LodgeError('unavailable', 'The checksum of the image is wrong'),
    { kind: 'unavailable', code: 503, message: 'The checksum of the image is wrong', retry: 'other-host' },
  ],
  [
    'what this libvirt calls a bad configuration, another may do',
    'spawn',
    libvirt('badRequest', "unsupported configuration: CPU mode 'x'"),
    { kind: 'internal', code: 500, message: could('build'), retry: 'other-host' },
  ],
  [
    'libvirt’s words stay inside',
    'start',
    libvirt('conflict', 'Requested operation is not valid'),
    { kind: 'internal', code: 500, message: could('start'), retry: 'never' },
  ],
  [
    'a lost libvirt comes back',
    'pause',
    libvirt('unavailable', 'client socket is closed'),
    { kind: 'unavailable', code: 503, message: could('pause'), retry: 'same-host' },
  ],
  [
    'a locked domain is unlocked some time',
    'stop',
    libvirt('timeout', 'cannot acquire state change lock'),
    { kind: 'timeout', code: 503, message: could('stop'), retry: 'same-host' },
  ],
  [
    'a wrong state is told as it is',
    'unpause',
    new LodgeError('conflict', 'Cannot unpause the guest, because it is shut down'),
    {
      kind: 'conflict',
      code: 409,
      message: 'Cannot unpause the guest, because it is shut down',
      retry: 'never',
    },
  ],
  [
    'a defect of ours says nothing of itself',
    'snapshot',
    new TypeError('x is not a function'),
    { kind: 'internal', code: 500, message: could('make an image of'), retry: 'never' },
  ],
]

for (const [name, verb, thrown, { ...wanted }] of cases)
  test(name, () => {
    const { details, ...fault } = faultOf(thrown, verb, 'kvm7')
    assert.deepEqual(fault, wanted)
    assert.ok(details.includes((thrown as Error).message))
  })

test('details tell the whole chain of causes, each once', () => {
  const inner = new Error('ENOSPC: no space left on device')
  const middle = new LodgeError('internal', 'qemu-img failed', { cause: inner })
  const outer = new LodgeError('internal', 'qemu-img failed', { cause: middle })
  assert.equal(faultOf(outer, 'spawn', 'kvm7').details, 'qemu-img failed: ENOSPC: no space left on device')
})

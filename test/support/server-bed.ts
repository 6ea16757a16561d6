import { newUuid } from '../../src/base/ids.ts'
import type { ImageRecord } from '../../src/model/image.ts'
import { insertFlavor } from '../../src/store/flavors.ts'
import { insertImage } from '../../src/store/images.ts'
import { insertKeyPair } from '../../src/store/key-pairs.ts'
import { computeBed, home, type ComputeBed } from './compute-bed.ts'

/** A compute API with what a server is made of: an image, two flavors, a key pair and a host. */
export interface ServerBed extends ComputeBed {
  imageId: string
  /** How often the conductor was told that there is work. */
  wakes(): number
  addBootImage(more?: Partial<ImageRecord>): Promise<string>
  /** The body of a create that passes; `more` goes into `server`. */
  body(more?: object, beside?: object): object
}

export async function serverBed(): Promise<ServerBed> {
  const bed = await computeBed()
  let wakes = 0
  bed.services.wake = () => {
    wakes += 1
  }
  const addBootImage = async (more: Partial<ImageRecord> = {}): Promise<string> => {
    const image = { ...smallImage(bed.clock.time), ...more }
    await insertImage(bed.store.db, image)
    return image.id
  }
  await bed.addHost('alpha')
  for (const [id, vcpus, rootGiB] of [
    ['1', 1, 1],
    ['diskless', 1, 0],
  ] as const)
    await insertFlavor(bed.store.db, {
      id,
      name: `flavor ${id}`,
      vcpus,
      memoryMiB: 256,
      rootGiB,
      ephemeralGiB: 0,
      swapMiB: 0,
      extraSpecs: { 'hw:cpu_policy': 'shared' },
      rxtxFactor: 1,
      isPublic: true,
      disabled: false,
      description: null,
      createdAt: bed.clock.time,
    })
  await insertKeyPair(bed.store.db, {
    userId: home.userId,
    name: 'my key',
    type: 'ssh',
    fingerprint: 'aa:bb',
    publicKey: 'ssh-ed25519 AAAA me',
    createdAt: bed.clock.time,
  })
  const imageId = await addBootImage()
  return {
    ...bed,
    imageId,
    wakes: () => wakes,
    addBootImage,
    body: (more = {}, beside = {}) => ({
      server: { name: 'a server', flavorRef: '1', imageRef: imageId, networks: 'none', ...more },
      ...beside,
    }),
  }
}

const smallImage = (now: number): ImageRecord => ({
  id: newUuid(),
  name: 'tiny',
  status: 'active',
  owner: home.projectId,
  visibility: 'private',
  protected: false,
  hidden: false,
  containerFormat: 'bare',
  diskFormat: 'qcow2',
  minDiskGiB: 0,
  minRamMiB: 0,
  sizeBytes: 20_000_000,
  virtualSizeBytes: 100_000_000,
  md5: 'd'.repeat(32),
  sha512: 'e'.repeat(128),
  properties: { os_type: 'linux' },
  tags: [],
  createdAt: now,
  updatedAt: now,
})

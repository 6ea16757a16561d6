import { createReadStream, createWriteStream, readFileSync } from 'node:fs'
import { rm, stat } from 'node:fs/promises'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Clock } from '../base/clock.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import { seedIn, signWith } from '../bus/nats-keys.ts'
import { agentHeaders, agentImagePath, signedText } from '../contract/agent-signature.ts'
import type { ImageTransfer } from '../contract/image-transfer.ts'
import type { Membership } from './membership.ts'

/**
 * Images from and to the controller over HTTP, each request signed with the host's own key.
 * @throws LodgeError badRequest when the credentials hold no key
 */
export function createRemoteImages(
  { host, controllerUrl, credentialsFile }: Pick<Membership, 'host' | 'controllerUrl' | 'credentialsFile'>,
  clock: Clock,
): ImageTransfer {
  const seed = seedIn(readFileSync(credentialsFile, 'utf8'))
  if (seed === undefined) throw new LodgeError('badRequest', `${credentialsFile} holds no key of a host`)

  async function call(method: string, imageId: string, more: RequestInit = {}): Promise<Response> {
    const path = agentImagePath(imageId)
    const at = clock.now()
    const headers = {
      [agentHeaders.host]: host,
      [agentHeaders.at]: String(at),
      [agentHeaders.signature]: signWith(seed!, signedText({ method, path, host, at })),
      ...(more.body ? { 'content-type': 'application/octet-stream' } : {}),
    }
    const response = await fetch(controllerUrl + path, { ...more, method, headers }).catch(
      (cause: unknown) => {
        more.signal?.throwIfAborted()
        throw unreachable(cause)
      },
    )
    if (response.ok) return response
    throw await refusal(response, imageId)
  }

  return {
    async fetch(imageId, target, signal) {
      signal?.throwIfAborted()
      const response = await call('GET', imageId, signal ? { signal } : {})
      const expected = Number(response.headers.get('content-length') ?? Number.NaN)
      try {
        const body = Readable.fromWeb(response.body as Parameters<typeof Readable.fromWeb>[0])
        await pipeline(body, createWriteStream(target, { mode: 0o600, flags: 'wx', flush: true }))
        const { size } = await stat(target)
        if (size !== expected) throw unreachable(`${size} of ${expected} bytes came`)
      } catch (error) {
        if ((error as { code?: string }).code !== 'EEXIST') await rm(target, { force: true })
        signal?.throwIfAborted()
        throw isOfDisk(error) || error instanceof LodgeError ? error : unreachable(error)
      }
    },
    async store(imageId, source) {
      const body = Readable.toWeb(createReadStream(source)) as RequestInit['body']
      try {
        const response = await call('PUT', imageId, { body, duplex: 'half' } as RequestInit)
        const { size_bytes: sizeBytes } = (await response.json()) as { size_bytes: number }
        await rm(source, { force: true })
        return { sizeBytes }
      } catch (error) {
        // Of an image that is gone nobody comes to ask again.
        if (error instanceof LodgeError && error.kind === 'notFound') await rm(source, { force: true })
        throw error
      }
    },
  }
}

async function refusal(response: Response, imageId: string): Promise<LodgeError> {
  const answer = (await response.json().catch(() => ({}))) as { error?: { message?: string } }
  const message = answer.error?.message ?? `The controller answered ${response.status}`
  const kind =
    response.status === 404
      ? 'notFound'
      : response.status === 413
        ? 'tooLarge'
        : response.status >= 500
          ? 'unavailable'
          : 'forbidden'
  return new LodgeError(kind, message, { details: { imageId, status: response.status } })
}

const isOfDisk = (error: unknown): boolean =>
  ['ENOSPC', 'EDQUOT', 'EEXIST', 'EACCES', 'ENOENT', 'EIO'].includes(
    (error as { code?: string } | null)?.code ?? '',
  )

const unreachable = (cause: unknown): LodgeError =>
  new LodgeError(
    'unavailable',
    `Images cannot be had from the controller: ${messageOf((cause as { cause?: unknown } | null)?.cause ?? cause)}`,
    { cause },
  )

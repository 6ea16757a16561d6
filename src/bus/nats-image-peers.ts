import { headers, type Msg, type NatsConnection } from '@nats-io/transport-node'
import { newHexId } from '../base/ids.ts'
import { LodgeError, messageOf } from '../base/errors.ts'
import type { ImagePeers, ImageSlices } from '../contract/image-peers.ts'
import { imageChanged, imageFind, imageSlice } from './nats-subjects.ts'

/** Below what nats-server takes in a message unless told, 1 MiB. */
const sliceBytes = 512 * 1024
/** Slices that are asked for ahead. */
const ahead = 4
const findMs = 3000
const sliceMs = 20_000

/**
 * Image data between controllers, over their own connections to NATS: an agent's credentials allow none of these
 * subjects. A controller asks who has an image, and then that one for a slice after the other.
 */
export function createImagePeers(connection: NatsConnection): ImagePeers {
  const own = newHexId()
  const listeners = new Set<() => void>()

  async function* slices(from: string, imageId: string): AsyncGenerator<Uint8Array> {
    const ask = (start: number): Promise<Uint8Array> => {
      const slice = connection
        .request(imageSlice(from), JSON.stringify({ imageId, start }), { timeout: sliceMs })
        .then(dataOf)
      // Of those that nobody waits for any more nobody need hear.
      slice.catch(() => {})
      return slice
    }
    const asked: Promise<Uint8Array>[] = []
    let next = 0
    for (;;) {
      while (asked.length < ahead) {
        asked.push(ask(next))
        next += sliceBytes
      }
      const slice = await asked.shift()!.catch((cause: unknown) => {
        throw new LodgeError('unavailable', `Another controller broke off an image: ${messageOf(cause)}`, {
          cause,
        })
      })
      if (slice.length > 0) yield slice
      if (slice.length < sliceBytes) return
    }
  }

  return {
    async read(imageId) {
      try {
        const request = JSON.stringify({ imageId, from: own })
        const found = await connection.request(imageFind, request, { timeout: findMs })
        const { from } = found.json<{ from: string }>()
        return slices(from, imageId)
      } catch {
        return undefined
      }
    },
    changed() {
      if (!connection.isClosed()) connection.publish(imageChanged, own)
    },
    onChanged(listener) {
      listeners.add(listener)
      if (listeners.size > 1) return
      connection.subscribe(imageChanged, {
        callback: (error, message) => {
          if (!error && message.string() !== own) for (const told of listeners) told()
        },
      })
    },
    serve(files) {
      connection.subscribe(imageFind, { callback: (error, message) => void tellHave(error, message, files) })
      connection.subscribe(imageSlice(own), {
        callback: (error, message) => void answerSlice(error, message, files),
      })
    },
  }

  /** Silent when it is not here: another answers, or the question runs out. */
  async function tellHave(error: Error | null, message: Msg, files: ImageSlices): Promise<void> {
    if (error) return
    try {
      const { imageId, from } = message.json<{ imageId: string; from: string }>()
      if (from !== own && (await files.slice(imageId, 0, 1)) && !connection.isClosed())
        message.respond(JSON.stringify({ from: own }))
    } catch {
      // What cannot be read here counts as not here.
    }
  }

  async function answerSlice(error: Error | null, message: Msg, files: ImageSlices): Promise<void> {
    if (error) return
    let answer: Uint8Array | undefined
    try {
      const { imageId, start } = message.json<{ imageId: string; start: number }>()
      answer = await files.slice(imageId, start, sliceBytes)
    } catch {
      answer = undefined
    }
    if (connection.isClosed()) return
    if (answer) message.respond(answer)
    else message.respond('', { headers: refusal() })
  }
}

const refusedCode = 404

function refusal() {
  return headers(refusedCode, 'not here')
}

function dataOf(message: Msg): Uint8Array {
  if (message.headers?.code === refusedCode)
    throw new LodgeError('notFound', 'The other controller has the image no more')
  return message.data
}

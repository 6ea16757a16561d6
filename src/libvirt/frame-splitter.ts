import { LodgeError } from '../base/errors.ts'
import { frameMax } from './frame-format.ts'

/** Cuts a stream of bytes into frames (without their lengths), in time linear in the bytes. */
export class FrameSplitter {
  #chunks: Buffer[] = []
  #held = 0

  /** The frames that `chunk` completes. @throws internal when a length is out of bounds */
  push(chunk: Buffer): Buffer[] {
    const frames: Buffer[] = []
    this.#chunks.push(chunk)
    this.#held += chunk.length
    for (;;) {
      if (this.#held < 4) return frames
      const length = this.#peekLength()
      if (length === 0 || length > frameMax)
        throw new LodgeError('internal', `A frame from the libvirt library claims ${length} bytes`)
      if (this.#held < 4 + length) return frames
      const whole = this.#chunks.length === 1 ? this.#chunks[0]! : Buffer.concat(this.#chunks)
      const rest = whole.subarray(4 + length)
      this.#chunks = rest.length > 0 ? [rest] : []
      this.#held = rest.length
      frames.push(whole.subarray(4, 4 + length))
    }
  }

  #peekLength(): number {
    if (this.#chunks[0]!.length < 4) this.#chunks = [Buffer.concat(this.#chunks)]
    return this.#chunks[0]!.readUInt32LE(0)
  }
}

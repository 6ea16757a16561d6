/** The other controllers of a fleet, each of which keeps image data of its own. */
export interface ImagePeers {
  /** Bytes of an image that one of them has; undefined when none says so. May break off: whoever reads, checks. */
  read(imageId: string): Promise<AsyncIterable<Uint8Array> | undefined>
  /** Tells the others that images have come or gone. */
  changed(): void
  onChanged(listener: () => void): void
  /** Answers the others from what is here. */
  serve(files: ImageSlices): void
}

export interface ImageSlices {
  /** Up to `length` bytes from `start` of an image that is whole here; undefined when it is not here. */
  slice(imageId: string, start: number, length: number): Promise<Uint8Array | undefined>
}

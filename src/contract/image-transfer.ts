/** How image bytes travel between the image store and a host. In one process: files; across hosts: HTTP. */
export interface ImageTransfer {
  /**
   * Writes the image's bytes to `target`, a new file of mode 0600.
   * @throws LodgeError notFound when the image or its data is gone
   */
  fetch(imageId: string, target: string, signal?: AbortSignal): Promise<void>
  /**
   * Makes the finished file `source` the data of an image that is queued or saving, and the image active.
   * `source` is moved where possible; it is gone afterwards. Doing it twice for one image is harmless.
   * @throws LodgeError notFound when the image was deleted meanwhile
   */
  store(imageId: string, source: string): Promise<{ sizeBytes: number }>
}

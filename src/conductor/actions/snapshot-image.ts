import type { Db } from '../../store/store.ts'

/** For a snapshot that came to nothing. An image that has its data is whole, whatever became of the action. */
export async function dropUnfilledImage(trx: Db, imageId: string): Promise<void> {
  await trx
    .deleteFrom('images')
    .where('id', '=', imageId)
    .where('status', 'in', ['queued', 'saving'])
    .execute()
}

import { LodgeError } from '../../../base/errors.ts'
import type { ServerKey } from '../../../model/server.ts'
import { getKeyPair } from '../../../store/key-pairs.ts'
import type { Db } from '../../../store/store.ts'
import type { ApiRequest } from '../../common/route.ts'

/** The caller's key pair of that name, for a server to carry. @throws LodgeError badRequest when there is none */
export async function serverKeyOf(
  db: Db,
  name: string,
  { caller }: Pick<ApiRequest, 'caller'>,
): Promise<ServerKey> {
  const key = await getKeyPair(db, caller.userId, name)
  if (!key) throw new LodgeError('badRequest', 'Invalid key_name provided.')
  return { name: key.name, type: key.type, publicKey: key.publicKey }
}

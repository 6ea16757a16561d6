import type { KeyPair } from '../../../model/key-pair.ts'
import type { ApiRequest } from '../../common/route.ts'
import { isoMicroseconds } from '../../common/time.ts'

type View = Record<string, unknown>

/** A key pair in a list; its type is shown from 2.2 on. */
export const keyPairSummary = (
  keyPair: Omit<KeyPair, 'number'>,
  { version }: Pick<ApiRequest, 'version'>,
): View => ({
  name: keyPair.name,
  public_key: keyPair.publicKey,
  fingerprint: keyPair.fingerprint,
  ...(version >= 2 && { type: keyPair.type }),
})

/** The answer to a create. */
export const newKeyPairView = (
  keyPair: Omit<KeyPair, 'number'>,
  privateKey: string | undefined,
  request: Pick<ApiRequest, 'version'>,
): View => ({
  ...keyPairSummary(keyPair, request),
  user_id: keyPair.userId,
  ...(privateKey !== undefined && { private_key: privateKey }),
})

export const keyPairView = (keyPair: KeyPair, request: Pick<ApiRequest, 'version'>): View => ({
  ...keyPairSummary(keyPair, request),
  user_id: keyPair.userId,
  id: keyPair.number,
  created_at: isoMicroseconds(keyPair.createdAt),
  updated_at: null,
  deleted: false,
  deleted_at: null,
})

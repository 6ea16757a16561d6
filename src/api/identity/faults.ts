import { LodgeError } from '../../base/errors.ts'

/** Keystone's one answer to every login that fails, so that it tells nothing of what exists. */
export const authenticationFailed = (): LodgeError =>
  new LodgeError('unauthorized', 'The request you have made requires authentication.')

/** `what` is the resource's name in the API: `user`. */
export const couldNotFind = (what: string, id: string): LodgeError =>
  new LodgeError('notFound', `Could not find ${what}: ${id.slice(0, 255)}.`)

export const duplicateName = (what: string, name: string, domainId?: string): LodgeError =>
  new LodgeError(
    'conflict',
    `There is already a ${what} with the name ${name}${domainId === undefined ? '' : ` in the domain ${domainId}`}.`,
  )

import { LodgeError } from '../base/errors.ts'

/** Why running work ends when the agent stops. What was begun is left for the next start, not cleaned away. */
export const agentStops = new LodgeError('unavailable', 'The agent is stopping')

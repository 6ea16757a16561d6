/**
 * How an agent signs a request to a controller over HTTP, with the key that is its identity on the bus: the
 * signature is of `signedText`, in base64url. It holds for `signatureMs` around the time in it.
 */
export const agentHeaders = {
  host: 'x-lodge-agent',
  /** Milliseconds since 1970. */
  at: 'x-lodge-agent-time',
  signature: 'x-lodge-agent-signature',
} as const

export const signatureMs = 5 * 60_000

export const signedText = (request: { method: string; path: string; host: string; at: number }): string =>
  ['lodge-agent-request-1', request.method, request.path, request.host, request.at].join('\n')

/** What a simulated fleet's agent joins as, in the place of one host's name. */
export const simulatedFleet = 'simulated-*'

/** Below the root of our own API: an image's bytes for agents. */
export const agentImagePath = (imageId: string): string => `/agent-images/${encodeURIComponent(imageId)}`

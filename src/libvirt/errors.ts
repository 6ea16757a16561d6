import { LodgeError, type ErrorKind } from '../base/errors.ts'

/** An error as the C library hands it on; `code` and `domain` are libvirt's numbers (virterror.h). */
export interface LibvirtFailure {
  /** The call of the table, or `connect`. */
  call: string
  /** Below 0: the C library's own (native/lodge-virt.h). */
  code: number
  domain: number
  level: number
  /** Whether the connection was still up after the failure. */
  alive: boolean
  message: string
}

/** libvirt's error codes (virErrorNumber), those that others than this table decide by. */
export const VIR_ERR_OPERATION_FAILED = 9
export const VIR_ERR_NO_DOMAIN = 42
export const VIR_ERR_OPERATION_INVALID = 55
export const VIR_ERR_NO_DOMAIN_METADATA = 80
export const VIR_ERR_AGENT_UNRESPONSIVE = 86

/** Kinds by code. What is not here is `internal`: a failure of the host that neither user nor caller can help. */
const kindOfCode: Record<number, ErrorKind> = {
  [-1]: 'unavailable', // the session is being closed
  [-2]: 'tooLarge', // an answer that does not fit into a frame
  3: 'notImplemented', // NO_SUPPORT: this driver lacks the call
  5: 'unavailable', // NO_CONNECT
  6: 'unavailable', // INVALID_CONN
  8: 'badRequest', // INVALID_ARG
  27: 'badRequest', // XML_ERROR
  28: 'conflict', // DOM_EXIST
  29: 'forbidden', // OPERATION_DENIED: a read-only connection
  35: 'badRequest', // XML_DETAIL
  [VIR_ERR_NO_DOMAIN]: 'notFound',
  43: 'notFound', // NO_NETWORK
  45: 'forbidden', // AUTH_FAILED
  49: 'notFound', // NO_STORAGE_POOL
  50: 'notFound', // NO_STORAGE_VOL
  53: 'notFound', // NO_NODE_DEVICE
  [VIR_ERR_OPERATION_INVALID]: 'conflict', // wrong state for it
  67: 'badRequest', // CONFIG_UNSUPPORTED
  68: 'timeout', // OPERATION_TIMEOUT: often the lock of another job of the domain
  72: 'notFound', // NO_DOMAIN_SNAPSHOT
  74: 'badRequest', // ARGUMENT_UNSUPPORTED
  78: 'conflict', // OPERATION_ABORTED
  79: 'forbidden', // AUTH_CANCELLED
  [VIR_ERR_NO_DOMAIN_METADATA]: 'notFound',
  83: 'conflict', // BLOCK_COPY_ACTIVE
  84: 'notImplemented', // OPERATION_UNSUPPORTED
  [VIR_ERR_AGENT_UNRESPONSIVE]: 'conflict', // no guest agent, or it does not answer
  87: 'conflict', // RESOURCE_BUSY
  88: 'forbidden', // ACCESS_DENIED
  91: 'badRequest', // CPU_INCOMPATIBLE
  92: 'badRequest', // XML_INVALID_SCHEMA
  94: 'forbidden', // AUTH_UNAVAILABLE
  97: 'conflict', // AGENT_UNSYNCED
  99: 'notFound', // DEVICE_MISSING
  103: 'notFound', // NO_DOMAIN_CHECKPOINT
}

/**
 * The error for a failed call: libvirt's own words, a kind, and `details` with `call`, `code`, `domain`, `level`.
 * Any failure with which the connection went is `unavailable`.
 */
export function libvirtError(failure: LibvirtFailure): LodgeError {
  const { call, code, domain, level, alive, message } = failure
  // What cannot be mended by trying again keeps its kind even where it ended the connection.
  const kind = kindOfCode[code] ?? 'internal'
  const lost = !alive && kind !== 'forbidden' && kind !== 'badRequest'
  return new LodgeError(lost ? 'unavailable' : kind, message, { details: { call, code, domain, level } })
}

import { existsSync } from 'node:fs'
import { Socket } from 'node:net'
import { join } from 'node:path'
import { getSystemErrorMessage } from 'node:util'
import koffi from 'koffi'
import { LodgeError, messageOf } from '../base/errors.ts'

/** Where `./setup build` leaves the C library. */
export const defaultLibraryPath = join(import.meta.dirname, '../../native/build/liblodge-virt.so')

/**
 * Starts a session of the C library with the hypervisor at `uri` and returns the stream it speaks on. This file is the
 * only one that knows of foreign functions; neither of those it calls blocks. The session ends when the stream is
 * ended or destroyed.
 * @throws unavailable when the library is missing or cannot be loaded
 */
export function startNativeSession(uri: string, libraryPath = defaultLibraryPath): Socket {
  const fd = library(libraryPath).start(uri)
  if (fd < 0)
    throw new LodgeError(
      'unavailable',
      `The libvirt library could not start a session: ${getSystemErrorMessage(fd)}`,
    )
  return new Socket({ fd, readable: true, writable: true })
}

/**
 * Sends `message` to systemd's notification socket at `path`; a leading `@` names the abstract namespace. Returns 0 or
 * a negative errno.
 * @throws unavailable when the library is missing or cannot be loaded
 */
export function sendSdNotify(path: string, message: string, libraryPath = defaultLibraryPath): number {
  return library(libraryPath).notify(path, message)
}

interface Library {
  start(uri: string): number
  notify(path: string, message: string): number
}

const loaded = new Map<string, Library>()

function library(path: string): Library {
  let functions = loaded.get(path)
  if (!functions) {
    functions = load(path)
    loaded.set(path, functions)
  }
  return functions
}

function load(path: string): Library {
  if (!existsSync(path))
    throw new LodgeError('unavailable', `There is no libvirt library at ${path}; make it with ./setup build`)
  try {
    const native = koffi.load(path)
    // SAFETY: the signatures are those of native/lodge-virt.h and native/sd-notify.c. Strings are copied before a call
    // returns, no memory crosses back, and both are safe to call from any thread, any number of times.
    return {
      start: native.func('int lodge_virt_start(const char *uri)') as Library['start'],
      notify: native.func('int lodge_sd_notify(const char *path, const char *message)') as Library['notify'],
    }
  } catch (error) {
    throw new LodgeError(
      'unavailable',
      `The libvirt library at ${path} cannot be loaded (${messageOf(error)}); rebuild it with ./setup build`,
      { cause: error },
    )
  }
}

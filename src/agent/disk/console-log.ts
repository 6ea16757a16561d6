import { open } from 'node:fs/promises'

/** Nova's limit, whatever the guest wrote. */
const maxBytes = 100 * 1024
/** virtlogd keeps a few rotated files; more than this are not looked for. */
const maxFiles = 100

/** Control characters other than tab and newline; also the second set, which terminals obey too. */
// oxlint-disable-next-line no-control-regex
const controls = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f]/g

/**
 * The end of a serial console's log: the last 100 KiB over `path`, then `path.0`, `path.1` and so on (newest
 * first, as virtlogd rotates them), of that the last `length` lines.
 */
export async function readConsoleLog(path: string, length: number | null): Promise<string> {
  const parts: Buffer[] = []
  let wanted = maxBytes
  for (let index = -1; index < maxFiles && wanted > 0; index++) {
    const part = await tail(index < 0 ? path : `${path}.${index}`, wanted)
    // The current file may be missing for a moment while it is rotated.
    if (part === undefined && index >= 0) break
    if (part === undefined) continue
    parts.unshift(part)
    wanted -= part.length
  }
  return consoleText(Buffer.concat(parts), length)
}

/** What of a console's bytes a client is shown. A last line without its newline is a line. */
export function consoleText(bytes: Buffer, length: number | null): string {
  const text = decode(bytes.subarray(Math.max(0, bytes.length - maxBytes))).replace(controls, '')
  if (length === null) return text
  if (length <= 0) return ''
  return text.replace(/\n$/, '').split('\n').slice(-length).join('\n')
}

/** UTF-8 as far as it is; the cut at the start may have gone through a character. */
function decode(bytes: Buffer): string {
  let start = 0
  while (start < 3 && (bytes[start] ?? 0) >> 6 === 0b10) start++
  return bytes.toString('utf8', start)
}

async function tail(path: string, length: number): Promise<Buffer | undefined> {
  try {
    await using file = await open(path, 'r')
    const { size } = await file.stat()
    const buffer = Buffer.alloc(Math.min(size, length))
    const { bytesRead } = await file.read(buffer, 0, buffer.length, size - buffer.length)
    return buffer.subarray(0, bytesRead)
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

import { messageOf } from '../../src/base/errors.ts'

/** What has been made so far, and how to remove it. */
export interface UndoList {
  add(what: string, remove: () => Promise<void> | void): void
  /** Removes all of it, the newest first, whatever fails. Returns what could not be removed, one line each. */
  removeAll(): Promise<string[]>
}

export function createUndoList(): UndoList {
  const made: { what: string; remove: () => Promise<void> | void }[] = []
  return {
    add: (what, remove) => void made.push({ what, remove }),
    async removeAll() {
      const problems: string[] = []
      for (const { what, remove } of made.splice(0).reverse()) {
        try {
          await remove()
        } catch (error) {
          problems.push(`${what}: ${messageOf(error)}`)
        }
      }
      return problems
    },
  }
}

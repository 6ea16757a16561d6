/** Clients that create and delete servers without a pause, at whichever controller answers, and note what they were promised. */
import assert from 'node:assert/strict'
import { setTimeout as delay } from 'node:timers/promises'
import type { ControlPlaneBed } from './control-plane-bed.ts'
import type { Answer, OpenStackApi } from './openstack-api.ts'
import { until } from './until.ts'

/** What must become of a server that was asked for with an answer of 202: `either` once a delete got no answer. */
type Promised = 'ACTIVE' | 'DELETED' | 'either'

export interface ServerLoad {
  /** Milliseconds from `since` to the first server that was asked for after it and is ACTIVE. */
  firstActiveAfter(since: number): Promise<number>
  /** Ends the clients, waits until all that was promised is kept, and says what happened. */
  settle(milliseconds: number): Promise<LoadResult>
}

export interface LoadResult {
  created: number
  deleted: number
  /** Requests that got 503, and those whose connection broke. */
  refused: number
  unanswered: number
  /** The longest that a client waited for an answer, whichever, milliseconds. */
  longestMs: number
}

/** An answer, or none, must have come by then. */
const answerMs = 30_000
const pauseMs = 100

/** @param clients how many ask at once */
export function startServerLoad(bed: ControlPlaneBed, name: string, clients: number): ServerLoad {
  const promised = new Map<string, Promised>()
  const askedAt = new Map<string, number>()
  const result: LoadResult = { created: 0, deleted: 0, refused: 0, unanswered: 0, longestMs: 0 }
  const ending = new AbortController()
  let asked = 0

  /** undefined when there was no answer, or one that leaves open whether it was done. */
  async function ask(api: OpenStackApi, ...request: [string, string, object?]): Promise<Answer | undefined> {
    const began = performance.now()
    try {
      const answer = await within(answerMs, api.call(...request))
      if (answer.status !== 503) return answer
      assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/, 'a 503 says when to try again')
      result.refused += 1
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      result.unanswered += 1
    } finally {
      result.longestMs = Math.max(result.longestMs, Math.round(performance.now() - began))
    }
    await delay(pauseMs)
    return undefined
  }

  async function create(api: OpenStackApi): Promise<void> {
    const now = Date.now()
    const server = {
      name: `${name}-${++asked}`,
      imageRef: bed.imageId,
      flavorRef: bed.flavorId,
      networks: 'none',
    }
    const answer = await ask(api, 'POST', '/compute/v2.1/servers', { server })
    if (!answer) return
    assert.equal(answer.status, 202, JSON.stringify(answer.body))
    promised.set(answer.body.server.id, 'ACTIVE')
    askedAt.set(answer.body.server.id, now)
    result.created += 1
  }

  async function remove(api: OpenStackApi, id: string): Promise<void> {
    promised.set(id, 'either')
    const answer = await ask(api, 'DELETE', `/compute/v2.1/servers/${id}`)
    if (!answer) return
    assert.equal(answer.status, 204, JSON.stringify(answer.body))
    promised.set(id, 'DELETED')
    result.deleted += 1
  }

  async function client(): Promise<void> {
    while (!ending.signal.aborted) {
      const api = bed.apis[Math.floor(Math.random() * bed.apis.length)]!
      const kept = [...promised].filter(([, state]) => state === 'ACTIVE')
      if (kept.length > 2 * clients && Math.random() < 0.5)
        await remove(api, kept[Math.floor(Math.random() * kept.length)]![0])
      else await create(api)
      await delay(pauseMs)
    }
  }

  const work = Array.from({ length: clients }, () => client())
  // A client that failed is looked at when the load ends.
  for (const one of work) one.catch(() => {})

  async function statusOf(id: string): Promise<string | undefined> {
    for (const api of bed.apis) {
      const answer = await within(answerMs, api.call('GET', `/compute/v2.1/servers/${id}`)).catch(
        () => undefined,
      )
      if (answer?.status === 200) return answer.body.server.status
      if (answer?.status === 404) return 'DELETED'
    }
    return undefined
  }

  return {
    firstActiveAfter: (since) =>
      until(
        'a new server to become ACTIVE',
        60_000,
        async () => {
          const fresh = [...askedAt].filter(([id, at]) => at > since && promised.get(id) === 'ACTIVE')
          for (const [id] of fresh.slice(0, 3))
            if ((await statusOf(id)) === 'ACTIVE') return Date.now() - since
          return undefined
        },
        20,
      ),
    async settle(milliseconds) {
      ending.abort()
      await Promise.all(work)
      const open = new Map(promised)
      await until('what was promised to be kept', milliseconds, async () => {
        for (const [id, wanted] of open) {
          const status = await statusOf(id)
          assert.notEqual(status, 'ERROR', `server ${id}`)
          const kept = wanted === 'either' ? ['ACTIVE', 'DELETED'].includes(status ?? '') : status === wanted
          if (kept) open.delete(id)
        }
        return open.size === 0
      }).catch(async (error: unknown) => {
        const left = [...open].slice(0, 5)
        const shown = await Promise.all(
          left.map(async ([id, wanted]) => `${id}: ${await statusOf(id)}, not ${wanted}`),
        )
        assert.fail(`${(error as Error).message}; ${open.size} left: ${shown.join('; ')}`)
      })
      await until('no server to be half done', milliseconds, async () => {
        const { servers } = (await bed.apis[0]!.must('GET', '/compute/v2.1/servers/detail')).body
        const halfDone = servers.filter(
          (one: { status: string; 'OS-EXT-STS:task_state': string | null }) =>
            one.status !== 'ACTIVE' || one['OS-EXT-STS:task_state'] !== null,
        )
        return halfDone.length === 0
      })
      return result
    },
  }
}

function within<T>(milliseconds: number, promise: Promise<T>): Promise<T> {
  const late = delay(milliseconds, undefined, { ref: false }).then(() =>
    assert.fail(`no answer within ${milliseconds} ms`),
  )
  return Promise.race([promise, late])
}

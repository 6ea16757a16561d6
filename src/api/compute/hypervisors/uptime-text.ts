/**
 * What the `uptime` program would print, in UTC. Clients take it apart, so the number of users must be there; agents
 * do not report it, and it is always 0.
 */
export function uptimeText(now: number, uptimeSeconds: number, load: readonly number[]): string {
  const clock = new Date(now).toISOString().slice(11, 19)
  const averages = load.map((value) => value.toFixed(2)).join(', ')
  return ` ${clock} up ${duration(uptimeSeconds)},  0 users,  load average: ${averages}`
}

function duration(seconds: number): string {
  const minutes = Math.floor(seconds / 60)
  const days = Math.floor(minutes / 1440)
  const hours = Math.floor((minutes % 1440) / 60)
  const rest = minutes % 60
  const time = hours > 0 ? `${hours}:${String(rest).padStart(2, '0')}` : `${rest} min`
  if (days === 0) return time
  return `${days} ${days === 1 ? 'day' : 'days'}, ${time}`
}

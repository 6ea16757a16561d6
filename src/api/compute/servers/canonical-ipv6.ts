/**
 * An IPv6 address in the one form in which Nova keeps it: lower case, shortened, and hexadecimal to its end, so that
 * `0:0:0:0:0:babe:220.12.22.2` is kept as `::babe:dc0c:1602`. That is how URLs write their hosts.
 */
export const canonicalIpv6 = (address: string): string => new URL(`http://[${address}]`).hostname.slice(1, -1)

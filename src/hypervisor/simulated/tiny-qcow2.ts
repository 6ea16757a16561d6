const clusterBits = 9
const cluster = 1 << clusterBits
const virtualSize = 1 << 20
/** Each entry of the L1 table leads to one cluster of pointers. */
const l1Entries = virtualSize / ((cluster / 8) * cluster)

const place = { header: 0, refcountTable: cluster, refcountBlock: 2 * cluster, l1: 3 * cluster }
const clusters = 4

/** An empty disk of 1 MiB as a sound qcow2 file of 2 KiB: what the simulated host has for any server's disk. */
export function tinyQcow2(): Buffer {
  const file = Buffer.alloc(clusters * cluster)
  file.write('QFI\u00fb', place.header, 'latin1')
  file.writeUInt32BE(3, 4)
  file.writeUInt32BE(clusterBits, 20)
  file.writeBigUInt64BE(BigInt(virtualSize), 24)
  file.writeUInt32BE(l1Entries, 36)
  file.writeBigUInt64BE(BigInt(place.l1), 40)
  file.writeBigUInt64BE(BigInt(place.refcountTable), 48)
  file.writeUInt32BE(1, 56)
  // Counts of references have 2^4 bits; the header ends at byte 104, with no extensions after it.
  file.writeUInt32BE(4, 96)
  file.writeUInt32BE(104, 100)
  file.writeBigUInt64BE(BigInt(place.refcountBlock), place.refcountTable)
  for (let index = 0; index < clusters; index++) file.writeUInt16BE(1, place.refcountBlock + 2 * index)
  return file
}

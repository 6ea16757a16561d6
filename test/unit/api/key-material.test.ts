import assert from 'node:assert/strict'
import { createPublicKey } from 'node:crypto'
import { test } from 'node:test'
import { generateSshKey, importKey } from '../../../src/api/compute/key-pairs/key-material.ts'
import { LodgeError } from '../../../src/base/errors.ts'

// Made by ssh-keygen; the fingerprints are what `ssh-keygen -l -E md5` says of them.
const known: Record<string, [key: string, fingerprint: string]> = {
  rsa: [
    'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQDG5xmEwg3me/5r/Po2Aw5jaaUJFbGZWYiMW93HiwsM5CoZTmwgVhO4AUR3lT/M3HLFJvI0PxRpGj4D1IYV/ZuD0gdTD4O6jsu2ApZndl+1g7fLfiqpbcKOsElMX9KS2sH3dn0iIsks2I6F3wlOw6hNeSJzW2XA+uigp6fjBFTCsBxQkJDBKJc+tYddbXDBYoBChNDaGlpuG+fmIlWfhb+qwoH56JRVhIUjR/g72K1PMdnZOzc+hnM23VhW/OHlBJGke71jKxcGH7sDGNYhzszC0BvXhGiJCWOfr9o02054Ms48M6agn8zvylYExAE7S9WcUlnzffsNRp5rOIFvYRMn',
    '9d:69:ee:ff:54:e3:10:4e:37:7a:6d:56:4c:cf:b4:d1',
  ],
  ed25519: [
    'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICRX373YgcpoDOfxQVHs2GseULk11FIv6ReoiqjPPXjC',
    '38:95:31:f2:50:95:ac:fa:d1:6f:ee:7a:f2:d0:b6:26',
  ],
  'ecdsa 256': [
    'ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBKUU4sEojQz9jOsPVqidxW6Uxys3U8JdFmNSC1hTYD894KsN6CMrGV48O9zGkZKWV44ScUeBpc8DizcJoeypQxQ=',
    '62:e8:fc:38:aa:cf:9b:c9:dd:a3:ec:b2:d7:66:4f:b8',
  ],
  'ecdsa 384': [
    'ecdsa-sha2-nistp384 AAAAE2VjZHNhLXNoYTItbmlzdHAzODQAAAAIbmlzdHAzODQAAABhBBP/8+ffU524QzcDuMt2bH8IJgdddV/DZ8lq+UH2yTofUtH8S9X5ShUy2kL6GMJtnCo2oe9mW82njB06Y42y2O+Ex+weWD1l0/gblhlxTsxNT0KfxCIkmfrBTauQecAXtg==',
    '43:c3:e1:27:c3:c5:92:41:25:26:cd:f8:fb:47:64:2b',
  ],
  'ecdsa 521': [
    'ecdsa-sha2-nistp521 AAAAE2VjZHNhLXNoYTItbmlzdHA1MjEAAAAIbmlzdHA1MjEAAACFBAG7CCKS/zH/8k2diDuQ3+Reo+PeNjRQnQphxFaXDClDyL4yo9g8EFmOEa2QYEww5M/1wcmwevSUC0Rn2KFpCl/t/wFd8LCT1XluGoLuoadJkMoQvujoMF9pUVXrCD7Xk+k5VKcITrupMs7cXeyXAjN3KOwyry/hLrQaO88os/foYPGxcQ==',
    '35:57:8e:95:70:c8:7e:28:fe:0c:62:13:fe:39:db:af',
  ],
  dsa: [
    'ssh-dss AAAAB3NzaC1kc3MAAACBAIh5zoQ7oZufvZBgcem/nCd08bldCJ+I3sLqyA0ORklZyizA3dO+eeOVfqDMffOTARSVlmXyLLhMnnD3x2KPfJApeAJMoho5bc1Zdn5H2HVqvrK60+Y5bkiHhse7GsuUb96nNYGswRszxRlcDyPBg4YQrAKa0bjlQjIa9/T6NmATAAAAFQC3LrQm+IA0Ot9SfoxaSkuEZsRH9wAAAIAsnCN5Ncrg0F0EtupZvKkSHChy5/3WihlnTTcOSlia9k7gb/5HufeDB6F2tAzk5NW8aWQM41L6icFVQ3KAtWqhnhT2ZTqUQX2w2RoZxkT/S0dLm/RdSkwnA5LmZ6PANzOzGEvtwDWutiQk7Hwu8wIF/8nVS5rmRIeikwPjr9pTXQAAAIAkfp3/Uct9GitREZu4vhNUH+F2JAGcgpkDrb/ZrFZFJd+EVlpjPBr73oepM2RAIQheYWcS5Kx+nnOe+IowJmo+yaXGZqsWQ8KGRsyKZkBmfXb8eu/rkx2c+TNiasK/QpaZl21YPmGAfSslZIt6+mPRAHFY7z0zzODiMqYCMroeVg==',
    'bf:61:b1:8b:47:66:95:14:55:16:cc:23:6a:17:48:79',
  ],
}

const certificate = `-----BEGIN CERTIFICATE-----
MIIBdTCCARugAwIBAgIUQzQ4HLa8AdfcQiEXLljgoA71ZeAwCgYIKoZIzj0EAwIw
DzENMAsGA1UEAwwEdGVzdDAgFw0yNjExMjAxMDIxMjNaGA8yMTI2MTAyNzEwMjEy
M1owDzENMAsGA1UEAwwEdGVzdDBZMBMGByqGSM49AgEGCCqGSM49AwEHA0IABHP7
1UwgD+bdnVKPwCLqaIN9pqNmKRs1atvqvSnEYahPm/D5Tg2m+reUQeBONadmblJL
33IpTRWnXRX+Sw9mDDKjUzBRMB0GA1UdDgQWBBQIQwX+7uIC2fo9coLsGoUlIziN
IDAfBgNVHSMEGDAWgBQIQwX+7uIC2fo9coLsGoUlIziNIDAPBgNVHRMBAf8EBTAD
AQH/MAoGCCqGSM49BAMCA0gAMEUCIQC6CYYL5Rh2DoovRKzL/O/uq0tVDlOh6ScW
4or+gXR+7AIgPQcsHWr3n7n3mexEErnUzJhKDt6yVFgFXmBS/IbJ/Vc=
-----END CERTIFICATE-----
`

test('public keys of every kind that OpenSSH makes are taken, with the fingerprint that ssh-keygen prints', () => {
  for (const [kind, [key, fingerprint]] of Object.entries(known)) {
    assert.equal(importKey('ssh', `${key} someone@somewhere\n`).fingerprint, fingerprint, kind)
    assert.equal(importKey('ssh', key).publicKey, key, kind)
  }
})

test('what is no public key is refused', () => {
  const ed25519 = known['ed25519']![0]
  const [, blob = ''] = ed25519.split(' ')
  const bytes = Buffer.from(blob, 'base64')
  const cut = bytes.subarray(0, bytes.length - 1).toString('base64')
  const longer = Buffer.concat([bytes, Buffer.from([0])]).toString('base64')
  const huge = Buffer.from('ffffffff', 'hex').toString('base64')
  for (const bad of [
    '',
    'ssh-rsa',
    'ssh-rsa JUNK nova@ubuntu',
    `ssh-rsa ${blob}`,
    `ssh-ed25519 ${cut}`,
    `ssh-ed25519 ${longer}`,
    `ssh-ed25519 ${huge}`,
    `ssh-ed25519 ${blob}!`,
    `constructor ${blob}`,
    certificate,
  ])
    assert.throws(
      () => importKey('ssh', bad),
      (error) => error instanceof LodgeError && error.status === 400,
      bad,
    )
})

test('a certificate has the SHA-1 of its bytes as fingerprint', () => {
  assert.equal(
    importKey('x509', certificate).fingerprint,
    '6d:66:76:9e:75:96:2e:f2:41:d1:f7:fa:13:87:34:ff:e3:bd:d4:5e',
  )
  for (const bad of ['', 'nonsense', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'])
    assert.throws(() => importKey('x509', bad), LodgeError)
})

test('a generated key is a pair', async () => {
  const { publicKey, privateKey, fingerprint } = await generateSshKey()
  assert.match(privateKey ?? '', /^-----BEGIN RSA PRIVATE KEY-----\n/)
  assert.equal(importKey('ssh', publicKey).fingerprint, fingerprint)
  // The modulus in the SSH line is the private key's.
  const { n = '' } = createPublicKey(privateKey ?? '').export({ format: 'jwk' })
  const blob = Buffer.from(publicKey.split(' ')[1] ?? '', 'base64')
  assert.ok(blob.includes(Buffer.from(n, 'base64url')))
})

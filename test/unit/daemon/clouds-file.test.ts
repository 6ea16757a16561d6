import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cloudsYaml, withAuthUrl } from '../../../src/daemon/clouds-file.ts'

const cloud = {
  authUrl: 'http://127.0.0.1:8774/identity/v3',
  region: 'RegionOne',
  username: 'admin',
  password: 'pass: "word" #\n',
  project: 'admin',
  domain: 'Default',
}

test('values are quoted, so that none can be taken for more than text', () => {
  const text = cloudsYaml(cloud)
  assert.ok(text.includes('      password: "pass: \\"word\\" #\\n"\n'))
  assert.equal(text.split('\n').length, 12)
})

test('only our URL changes', () => {
  const other = 'clouds:\n  other:\n    auth:\n      auth_url: "http://elsewhere"\n'
  const text = cloudsYaml(cloud).replace('clouds:\n', other)
  const changed = withAuthUrl(text, 'http://new/$&/v3')
  assert.equal(
    changed,
    text.replace(cloud.authUrl, () => 'http://new/$&/v3'),
  )
  assert.ok(changed.includes('http://elsewhere'))
})

test('a file that someone wrote anew is left alone', () => {
  const text = 'clouds: {lodge: {auth: {auth_url: "http://x"}}}\n'
  assert.equal(withAuthUrl(text, 'http://new'), text)
})

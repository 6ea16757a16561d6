import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isImageOwner, isImageVisible, type ImageRecord } from '../../../src/model/image.ts'

const image = (visibility: ImageRecord['visibility'], owner: string | null = 'mine') =>
  ({ visibility, owner }) as ImageRecord
const owner = { projectId: 'mine', isAdmin: false }
const stranger = { projectId: 'other', isAdmin: false }
const nobody = { projectId: null, isAdmin: false }
const admin = { projectId: 'other', isAdmin: true }

test('who may see an image', () => {
  for (const visibility of ['public', 'private', 'shared', 'community'] as const) {
    assert.equal(isImageVisible(image(visibility), owner), true)
    assert.equal(isImageVisible(image(visibility), admin), true)
    const open = visibility === 'public' || visibility === 'community'
    assert.equal(isImageVisible(image(visibility), stranger), open, visibility)
    assert.equal(isImageVisible(image(visibility), nobody), open, visibility)
  }
})

test('an image of nobody belongs to nobody, not to those without a project', () => {
  assert.equal(isImageOwner(image('private', null), nobody), false)
  assert.equal(isImageVisible(image('private', null), nobody), false)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { meets } from '../../../src/scheduler/extra-spec-operators.ts'

test('operators of extra specs', () => {
  const yes: [string | number | string[], string][] = [
    ['plain', 'plain'],
    [124, '= 123'],
    [123, '= 123'],
    [123, '== 123'],
    ['2', '!= 3'],
    [4, '>= 3'],
    [3, '<= 3'],
    [4, '> 3'],
    [2, '< 3'],
    ['b', 's> a'],
    ['a', 's== a'],
    ['a', 's!= b'],
    ['a', 's< b'],
    ['b', 's>= b'],
    ['b', 's<= b'],
    ['12311321', '<in> 11'],
    [['aes', 'mmx'], '<in> aes'],
    [['aes', 'mmx', 'avx'], '<all-in> aes mmx'],
    ['13', '<or> 12 <or> 13'],
    ['with spaces', 'with spaces'],
  ]
  const no: [string | number | string[] | undefined, string][] = [
    ['other', 'plain'],
    [122, '= 123'],
    ['x', '>= 3'],
    [3, '!= 3'],
    ['12310321', '<in> 11'],
    [['aes2'], '<in> aes'],
    [['aes'], '<all-in> aes mmx'],
    ['14', '<or> 12 <or> 13'],
    ['<or>', '<or> 12 <or> 13'],
    [undefined, '= 1'],
    [undefined, '<or> undefined'],
    ['', '<in>'],
    ['1', '='],
  ]
  for (const [value, requirement] of yes) assert.ok(meets(value, requirement), `${value} ${requirement}`)
  for (const [value, requirement] of no) assert.ok(!meets(value, requirement), `${value} ${requirement}`)
})

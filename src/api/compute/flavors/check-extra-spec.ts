import { LodgeError } from '../../../base/errors.ts'
import { parseBoolean } from '../parameters.ts'
import { extraSpecRules, plainExtraSpecRules, type ExtraSpecValue } from './extra-spec-rules.ts'

/**
 * Checks an extra spec as Nova does from 2.86 on: a key in a known namespace must be a known one with a value of
 * its type; keys of other namespaces pass.
 * @throws LodgeError badRequest with what is wrong
 */
export function checkExtraSpec(key: string, value: string): void {
  const colon = key.indexOf(':')
  if (colon === -1) {
    const rule = plainExtraSpecRules.find(({ name }) => name.test(key))
    if (rule) checkValue(rule.value, value)
    return
  }
  const rules = rulesOf(key.slice(0, colon))
  if (!rules) return
  const rule = rules.find(({ name }) => name.test(key))
  if (!rule) refuse(`extra spec '${key}' does not appear to be a valid extra spec.`)
  checkValue(rule.value, value)
}

/** `resources` and `trait` carry the name of a request group behind the namespace's own name. */
function rulesOf(namespace: string) {
  const grouped = /^(resources|trait)[a-zA-Z0-9_-]{0,64}$/.exec(namespace)?.[1]
  const name = grouped ?? namespace
  return Object.hasOwn(extraSpecRules, name) ? extraSpecRules[name] : undefined
}

function checkValue(wanted: ExtraSpecValue, value: string): void {
  switch (wanted.kind) {
    case 'text':
      return
    case 'integer':
      if (!/^\s*[+-]?\d+\s*$/.test(value)) refuse(`'${value}' is not a valid integer value.`)
      if (wanted.min !== undefined && Number(value) < wanted.min)
        refuse(`'${value}' is less than the min value of '${wanted.min}'.`)
      return
    case 'boolean':
      if (parseBoolean(value) === undefined) refuse(`'${value}' is not a valid boolean value.`)
      return
    case 'choice':
      if (!wanted.choices.includes(value)) refuse(`'${value}' is not one of: ${wanted.choices.join(', ')}.`)
      return
    case 'pattern':
      if (!wanted.pattern.test(value)) refuse(`'${value}' is not of the format '${wanted.pattern.source}'.`)
  }
}

function refuse(what: string): never {
  throw new LodgeError('badRequest', `Validation failed; ${what}`)
}

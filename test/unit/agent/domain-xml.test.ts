import assert from 'node:assert/strict'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { XMLParser, XMLValidator } from 'fast-xml-parser'
import * as fc from 'fast-check'
import { domainXml, type DomainInput } from '../../../src/agent/domain-xml/domain-xml.ts'
import { xmlText } from '../../../src/agent/domain-xml/xml-element.ts'
import { LodgeError } from '../../../src/base/errors.ts'
import { domainInputs, plainSpec, tcgCapabilities } from '../../support/domain-inputs.ts'

const golden = join(import.meta.dirname, '../../golden/domain-xml')
const plain = domainInputs.plain!

for (const [name, input] of Object.entries(domainInputs))
  test(`golden domain: ${name} (UPDATE_GOLDEN=1 writes it anew)`, () => {
    const { xml } = domainXml(input)
    const path = join(golden, `${name}.xml`)
    if (process.env.UPDATE_GOLDEN === '1') writeFileSync(path, xml)
    assert.ok(existsSync(path), `${path} is missing`)
    assert.equal(xml, readFileSync(path, 'utf8'))
    assert.equal(XMLValidator.validate(xml), true)
  })

test('there is no golden file without its input', () => {
  assert.deepEqual(
    readdirSync(golden).sort(),
    Object.keys(domainInputs)
      .map((name) => `${name}.xml`)
      .sort(),
  )
})

const parser = new XMLParser({
  preserveOrder: true,
  ignoreAttributes: false,
  trimValues: false,
  parseTagValue: false,
  parseAttributeValue: false,
  htmlEntities: true,
})

/** All elements, attributes and texts of a document, without the white space between elements. */
function shapeOf(xml: string): { names: string[]; texts: string[] } {
  const names: string[] = []
  const texts: string[] = []
  const walk = (nodes: Record<string, unknown>[]): void => {
    for (const node of nodes)
      for (const [key, value] of Object.entries(node)) {
        if (key === ':@') {
          names.push(...Object.keys(value as object))
          texts.push(...(Object.values(value as object) as string[]))
        } else if (key === '#text') texts.push(value as string)
        else {
          names.push(key)
          walk(value as Record<string, unknown>[])
        }
      }
  }
  walk(parser.parse(xml))
  return { names, texts }
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary' }),
  fc.array(fc.integer({ min: 0, max: 0xffff })).map((units) => String.fromCharCode(...units)),
  fc.constantFrom(
    ']]>',
    '<!--',
    '-->',
    '&amp;',
    '&#0;',
    '"/><disk/>',
    "'",
    '<?xml?>',
    '</domain>',
    '\r\n\t',
    '${x}',
  ),
)

test('any string is a text of its own: it comes back as it was, and no other element appears', () => {
  const expected = shapeOf(domainXml(withTexts('a', 'b', 'c', 'd', 'e')).xml).names
  fc.assert(
    fc.property(anyText, anyText, anyText, anyText, anyText, (name, user, image, key, value) => {
      const { xml } = domainXml(withTexts(name, user, image, key, value))
      assert.equal(XMLValidator.validate(xml), true)
      const { names, texts } = shapeOf(xml)
      const hasTitle = name.trim() !== ''
      assert.deepEqual(names, hasTitle ? expected : expected.filter((each) => each !== 'title'))
      for (const text of [name, user, image, key, value])
        if (text !== '') assert.ok(texts.includes(xmlText(text)), JSON.stringify(text))
    }),
    { numRuns: 300 },
  )
})

function withTexts(name: string, userName: string, image: string, key: string, value: string): DomainInput {
  const extraSpecs = Object.fromEntries([[key, value]])
  const spec = {
    ...plainSpec,
    name,
    userName,
    flavor: { ...plainSpec.flavor, extraSpecs },
    image: { ...plainSpec.image, name: image },
  }
  return { ...plain, spec }
}

test('what XML cannot hold is replaced, the rest is kept', () => {
  assert.equal(xmlText('a\u0000b\u001bc\ud800d\ufffee\tf\ng🛖'), 'a\ufffdb\ufffdc\ufffdd\ufffde\tf\ng🛖')
})

test('the machine type: first boot before image, image before setting, setting before default', () => {
  const typeOf = (
    machineType: string | null,
    properties: Record<string, string>,
    setting: string | null,
  ): string =>
    domainXml({
      ...plain,
      spec: { ...plainSpec, machineType, image: { ...plainSpec.image, properties } },
      settings: { ...plain.settings, machineType: setting },
    }).machineType
  assert.equal(typeOf(null, {}, null), 'pc')
  assert.equal(typeOf(null, {}, 'q35'), 'q35')
  assert.equal(typeOf(null, { hw_machine_type: 'pc-q35-7.2' }, 'pc'), 'pc-q35-7.2')
  assert.equal(typeOf('pc', { hw_machine_type: 'q35' }, 'q35'), 'pc')
})

const refusals: [string, DomainInput, string, RegExp][] = [
  ['a machine type that the host lacks', imageWith({ hw_machine_type: 'pc<9' }), 'badRequest', /"pc<9"/],
  ['a video model that is not known', imageWith({ hw_video_model: 'a"b' }), 'badRequest', /hw_video_model/],
  [
    'IDE on q35',
    {
      ...imageWith({ hw_machine_type: 'q35' }),
      disks: { disks: [{ ...plain.disks.disks[0]!, bus: 'ide' }] },
    },
    'badRequest',
    /hw_disk_bus/,
  ],
  [
    'a firmware that is not known',
    imageWith({ hw_firmware_type: 'coreboot' }),
    'badRequest',
    /hw_firmware_type/,
  ],
  ['Secure Boot', imageWith({ os_secure_boot: 'required' }), 'badRequest', /Secure Boot/],
  [
    'host-passthrough without KVM',
    { ...plain, settings: { ...plain.settings, cpuMode: 'host-passthrough' } },
    'internal',
    /agent\.cpuMode.*possible are auto, none, maximum/,
  ],
  [
    'a named CPU without a name',
    { ...plain, settings: { ...plain.settings, cpuMode: 'custom' } },
    'internal',
    /agent\.cpuModel/,
  ],
  [
    'an architecture that is not served',
    { ...plain, capabilities: { ...tcgCapabilities, arch: 's390x' } },
    'notImplemented',
    /s390x/,
  ],
]

for (const [name, input, kind, message] of refusals)
  test(`refused: ${name}`, () => {
    assert.throws(
      () => domainXml(input),
      (error: unknown) => error instanceof LodgeError && error.kind === kind && message.test(error.message),
    )
  })

test('without host-model the CPU is what is possible', () => {
  const cpuOf = (cpuModes: typeof tcgCapabilities.cpuModes): string =>
    /<cpu.*>/.exec(domainXml({ ...plain, capabilities: { ...tcgCapabilities, cpuModes } }).xml)![0]
  assert.equal(cpuOf(['maximum']), '<cpu mode="maximum">')
  assert.equal(cpuOf([]), '<cpu>')
})

function imageWith(properties: Record<string, string>): DomainInput {
  return { ...plain, spec: { ...plainSpec, image: { ...plainSpec.image, properties } } }
}

import type { Weigher } from '../weigher.ts'

/** Hosts whose servers come from images with the same properties, as far as `imagePropertiesSetting` names them. */
export const imagePropertiesWeigher: Weigher = {
  name: 'image-properties',
  setting: 'imagePropertiesWeight',
  aggregateKey: 'image_props_weight_multiplier',
  values: ({ image, imageProperties }, { facts }, { imagePropertiesSetting }) => {
    const own = image?.properties ?? {}
    const wanted = imagePropertiesSetting.flatMap((text) => {
      const [name = '', worth = '1'] = text.split('=')
      return own[name] === undefined ? [] : [{ name, value: own[name], worth: Number(worth) }]
    })
    if (!imageProperties || wanted.length === 0) return null
    return Float64Array.from(facts, ({ name: host }) => {
      let sum = 0
      for (const properties of imageProperties.get(host) ?? [])
        for (const { name, value, worth } of wanted) if (properties[name] === value) sum += worth
      return sum
    })
  },
}

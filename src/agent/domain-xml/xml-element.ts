import { XMLBuilder } from 'fast-xml-parser'

/** One element in the form in which fast-xml-parser keeps the order of children. */
export interface XmlElement {
  [name: string]: XmlChild[] | XmlAttributes
}
type XmlAttributes = Record<string, string>
type XmlChild = XmlElement | { '#text': string }

type Value = string | number | undefined

/**
 * An element with its attributes (those that are undefined are left out) and its children: elements, or a text.
 * Attribute values and texts may be any strings; names may not, and are always written here in the code.
 */
export function element(
  name: string,
  attributes: Record<string, Value> = {},
  children: (XmlElement | undefined | false)[] | string | number = [],
): XmlElement {
  const content: XmlChild[] = Array.isArray(children)
    ? children.filter((child): child is XmlElement => Boolean(child))
    : [{ '#text': xmlText(String(children)) }]
  const pairs = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => [`@_${key}`, xmlText(String(value))])
  return { [name]: content, ':@': Object.fromEntries(pairs) as XmlAttributes }
}

/** The element as text, one indented line an element. */
export const renderXml = (root: XmlElement): string => builder.build([root]) as string

/** What XML cannot hold, not even escaped: most control characters, halves of surrogate pairs, two non-characters. */
// oxlint-disable-next-line no-control-regex
const unspeakable = /[\u0000-\u0008\u000b\u000c\u000e-\u001f\ufffe\uffff]/g

/** `text` with a replacement character for each character that XML cannot hold. */
export const xmlText = (text: string): string => text.toWellFormed().replace(unspeakable, '\ufffd')

const options = {
  preserveOrder: true,
  ignoreAttributes: false,
  attributeNamePrefix: '@_',
  format: true,
  indentBy: '  ',
  suppressEmptyNode: true,
  suppressBooleanAttributes: false,
  processEntities: true,
  // Beside the five of XML the white space that parsers would otherwise turn into something else. The builder
  // takes this option though its types do not name it; the tests would notice if that ended.
  entities: [
    { regex: /&/g, val: '&amp;' },
    { regex: /</g, val: '&lt;' },
    { regex: />/g, val: '&gt;' },
    { regex: /"/g, val: '&quot;' },
    { regex: /'/g, val: '&apos;' },
    { regex: /\t/g, val: '&#9;' },
    { regex: /\n/g, val: '&#10;' },
    { regex: /\r/g, val: '&#13;' },
  ],
}

const builder = new XMLBuilder(options)

/**
 * The XML namespace of the element that Lodge puts into the metadata of its domains. A domain that carries it is
 * one of ours; all others on the host are left alone.
 */
export const lodgeMetadataNamespace = 'urn:lodge:domain:1'

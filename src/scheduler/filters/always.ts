import { atLeast, passNone, unset, type Filter } from '../filter.ts'
import { foreignResources, requestedResources } from '../requested-resources.ts'
import { requestedTraits, traitsOf } from '../traits.ts'

/** What is asked whatever the settings say, in this order: in Nova it is Placement's part. Cheap ones come first. */
export const alwaysAsked: readonly Filter[] = [
  {
    name: 'disabled',
    prepare: (_request, { disabled }) => unset(disabled),
  },
  {
    name: 'maintenance',
    prepare: (_request, { maintenance }) => unset(maintenance),
  },
  {
    name: 'availability-zone',
    prepare: ({ availabilityZone }, { facts }) =>
      availabilityZone === null ? null : (index) => facts[index]!.availabilityZone === availabilityZone,
  },
  {
    name: 'resource-class',
    prepare: ({ flavor }) => (foreignResources(flavor).length === 0 ? null : passNone),
  },
  {
    name: 'vcpus',
    prepare: ({ flavor }, { freeVcpus }) => {
      const { vcpus } = requestedResources(flavor)
      return vcpus === 0 ? null : atLeast(freeVcpus, vcpus)
    },
  },
  {
    name: 'memory',
    prepare: ({ flavor }, { freeMemory }) => {
      const { memoryMiB } = requestedResources(flavor)
      return memoryMiB === 0 ? null : atLeast(freeMemory, memoryMiB)
    },
  },
  {
    name: 'disk',
    prepare: ({ flavor }, { freeDisk }) => {
      const { diskGiB } = requestedResources(flavor)
      return diskGiB === 0 ? null : atLeast(freeDisk, diskGiB)
    },
  },
  {
    name: 'traits',
    prepare: ({ flavor, image }, { facts }) => {
      const asked = [requestedTraits(flavor.extraSpecs), requestedTraits(image?.properties ?? {})]
      const required = asked.flatMap((traits) => traits.required)
      const forbidden = asked.flatMap((traits) => traits.forbidden)
      if (required.length + forbidden.length === 0) return null
      return (index) => {
        const { description } = facts[index]!
        if (!description) return false
        const traits = traitsOf(description)
        return required.every((name) => traits.has(name)) && !forbidden.some((name) => traits.has(name))
      }
    },
  },
]

// The rooms of src/ and who may import whom (docs/architecture.md draws the picture).
const rooms = {
  base: [],
  model: ['base'],
  contract: ['base', 'model'],
  bus: ['base', 'model', 'contract'],
  libvirt: ['base'],
  hypervisor: ['base', 'model', 'libvirt'],
  agent: ['base', 'model', 'contract', 'bus', 'hypervisor'],
  store: ['base', 'model'],
  scheduler: ['base', 'model'],
  conductor: ['base', 'model', 'contract', 'bus', 'store', 'scheduler'],
  api: ['base', 'model', 'contract', 'store', 'conductor'],
  daemon: [
    'base',
    'model',
    'contract',
    'bus',
    'libvirt',
    'hypervisor',
    'agent',
    'store',
    'scheduler',
    'conductor',
    'api',
  ],
  lab: ['base', 'model', 'libvirt'],
  cli: ['base', 'model', 'contract', 'daemon', 'lab'],
}

const between = Object.entries(rooms).map(([room, below]) => ({
  name: `${room}-imports-only-below`,
  severity: 'error',
  comment: `src/${room} may import only: ${[room, ...below].join(', ')}`,
  from: { path: `^src/${room}/` },
  to: { path: '^src/', pathNot: `^src/(${[room, ...below].join('|')})/` },
}))

module.exports = {
  forbidden: [
    ...between,
    {
      name: 'only-the-binding-loads-ffi',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/libvirt/ffi\\.ts$' },
      to: { path: 'node_modules/(@koromix/)?koffi' },
    },
    {
      name: 'no-circular',
      severity: 'error',
      from: {},
      to: { circular: true, viaOnly: { dependencyTypesNot: ['type-only'] } },
    },
    {
      name: 'no-unlisted-package',
      severity: 'error',
      from: { path: '^src/' },
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown', 'unknown', 'undetermined'] },
    },
    { name: 'not-to-tests', severity: 'error', from: { path: '^src/' }, to: { path: '^test/' } },
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'node', 'default', 'types'],
    },
  },
}
